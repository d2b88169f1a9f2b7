"""Columns of a table: fixed widths, one that takes what is left, and some that only wide tables show."""

from typing import NamedTuple

from textual.content import Content

GAP = 2
MARGIN = 2
"""The cursor's mark and a blank, left of the first column."""


class Column(NamedTuple):
    label: str
    width: int = 0
    """In cells; 0: takes what the others leave."""
    right: bool = False
    from_width: int = 0
    """The column is shown only where the table is at least so wide."""


class Layout:
    """Which columns a table of this width shows, and how wide."""

    def __init__(self, columns: tuple[Column, ...], width: int) -> None:
        shown = [at for at, column in enumerate(columns) if width >= column.from_width]
        fixed = sum(columns[at].width for at in shown) + GAP * (len(shown) - 1) + MARGIN + 1
        stretched = max(1, sum(1 for at in shown if columns[at].width == 0))
        each, rest = divmod(max(stretched, width - fixed), stretched)
        self._columns = columns
        self._shown: list[tuple[int, int]] = []
        for at in shown:
            share = columns[at].width or each + (1 if rest > 0 else 0)
            rest -= 0 if columns[at].width else 1
            self._shown.append((at, share))

    def line(self, cells: list[Content], mark: str) -> Content:
        parts: list[Content | str] = [mark.ljust(MARGIN)]
        for place, (at, width) in enumerate(self._shown):
            if place:
                parts.append(" " * GAP)
            cell = cells[at].truncate(width, ellipsis=True)
            if self._columns[at].right:
                cell = cell.pad_left(max(0, width - cell.cell_length))
            parts.append(cell.truncate(width, pad=True))
        return Content.assemble(*parts)

    def header(self) -> Content:
        return self.line([Content(column.label) for column in self._columns], "")
