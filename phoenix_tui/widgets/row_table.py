"""A table whose rows have stable keys: a change repaints the rows that changed, and a cursor that was moved stays on
its row. One that nobody has moved stays on top, so that what is newest comes into sight.

The stock DataTable keeps its cursor at a position, so that a new row on top would put another job under a hand that
is about to press cancel.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from phoenix_tui.actions import bindings
from phoenix_tui.widgets.columns import Column, Layout

T = TypeVar("T")
CHOSEN_MARK = "›"
SEARCHED_MAX = 5000
"""In a longer table, what is in sight is painted anew rather than looking for the row's place."""
Cell = Content | str


class RowTable(ScrollView, Generic[T], can_focus=True):
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row-table--header", "row-table--cursor", "row-table--cursor-idle"}
    DEFAULT_CSS = """
    RowTable { width: 100%; height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """
    BINDINGS = bindings("table")

    class Highlighted(Message):
        """The cursor is on another row; `key` is empty where there are none."""

        def __init__(self, table: "RowTable[Any]", key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "RowTable[Any]":
            return self.table

    class Opened(Message):
        """Enter was pressed on a row, or it was clicked twice."""

        def __init__(self, table: "RowTable[Any]", key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "RowTable[Any]":
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        key: Callable[[T], str],
        cells: Callable[[T], Sequence[Cell]],
        header: bool = True,
        keeps_mark: bool = False,
        id: str | None = None,  # noqa: A002 (the name that all widgets have for it)
        classes: str | None = None,
    ) -> None:
        """`keeps_mark`: the row that the cursor is on stays marked while another widget is in use, since what is shown
        there depends on it."""
        super().__init__(id=id, classes=classes)
        self._idle_mark = CHOSEN_MARK if keeps_mark else ""
        self._columns = tuple(columns)
        self._key_of = key
        self._cells_of = cells
        self._header_lines = 1 if header else 0
        self._items: dict[str, T] = {}
        self._order: list[str] = []
        self._at = 0
        self._moved = False
        """The operator put the cursor where it is; Home takes it back to the top."""
        self._layout = Layout(self._columns, 0)
        self._laid_out_for = -1
        self._painted: dict[str, Content] = {}

    # --- what it shows -----------------------------------------------------------------------------------------------

    def show(self, items: Sequence[T]) -> None:
        """Show these items, in this order. Only rows whose item changed are painted again."""
        incoming = {self._key_of(item): item for item in items}
        order = list(incoming)
        if order == self._order:
            changed = [key for key in order if incoming[key] != self._items[key]]
            self._items = incoming
            self.repaint(changed)
            return
        cursor = self.cursor_key
        previous_at = self._at
        self._painted = {
            key: line for key, line in self._painted.items() if key in incoming and incoming[key] == self._items[key]
        }
        self._items, self._order = incoming, order
        if self._at == 0 and not self._moved:
            self.refresh()
        elif cursor in incoming:
            self._at = order.index(cursor)
            self.scroll_to(y=self.scroll_offset.y + self._at - previous_at, animate=False, immediate=True)
        else:
            self._at = max(0, min(previous_at, len(order) - 1))
        self._resized()
        if self.cursor_key != cursor:
            self.post_message(self.Highlighted(self, self.cursor_key))

    def repaint(self, keys: Sequence[str]) -> None:
        """Paint these rows again, as far as they are shown, since something in their cells changed."""
        for key in keys:
            if key not in self._items:
                continue
            self._painted.pop(key, None)
            at = self._order.index(key) if len(self._order) < SEARCHED_MAX else -1
            if at >= 0:
                self.refresh_lines(at + self._header_lines, 1)
            else:
                self.refresh()

    def repaint_all(self) -> None:
        """Paint what is in sight again, since what its cells show depends on more than its item."""
        self._painted.clear()
        self.refresh()

    def item(self, key: str) -> T | None:
        return self._items.get(key)

    @property
    def row_count(self) -> int:
        return len(self._order)

    @property
    def keys(self) -> list[str]:
        return list(self._order)

    @property
    def cursor_key(self) -> str:
        return self._order[self._at] if self._order else ""

    @property
    def cursor_item(self) -> T | None:
        return self._items.get(self.cursor_key)

    @property
    def cursor_at(self) -> int:
        return self._at

    def put_cursor(self, key: str) -> None:
        if key in self._items:
            self._move_to(self._order.index(key))

    # --- moving ------------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        self._move_to(self._at + by)

    def action_page(self, direction: int) -> None:
        self._move_to(self._at + direction * max(1, self._page_rows - 1))

    def action_edge(self, at: int) -> None:
        self._move_to(at % max(1, len(self._order)))
        self._moved = at != 0

    def action_open(self) -> None:
        if self._order:
            self.post_message(self.Opened(self, self.cursor_key))

    def on_click(self, event: events.Click) -> None:
        at = event.y + self.scroll_offset.y - self._header_lines
        if event.y >= self._header_lines and 0 <= at < len(self._order):
            self._move_to(at)
            self._moved = True
            if event.chain > 1:
                self.action_open()

    @property
    def _page_rows(self) -> int:
        return self.scrollable_content_region.height - self._header_lines

    def _move_to(self, at: int) -> None:
        at = max(0, min(at, len(self._order) - 1))
        if at == self._at or not self._order:
            return
        for row in (self._at, at):
            self.refresh_lines(row + self._header_lines, 1)
        self._at = at
        self._moved = True
        self._scroll_to_cursor()
        self.post_message(self.Highlighted(self, self.cursor_key))

    def _scroll_to_cursor(self) -> None:
        top, rows = self.scroll_offset.y, self._page_rows
        if self._at < top:
            self.scroll_to(y=self._at, animate=False, immediate=True)
        elif rows > 0 and self._at >= top + rows:
            self.scroll_to(y=self._at - rows + 1, animate=False, immediate=True)

    # --- painting ----------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._resized()

    def on_resize(self) -> None:
        self._resized()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.refresh_lines(self._at + self._header_lines, 1)

    def _resized(self) -> None:
        size = Size(self.scrollable_content_region.width, len(self._order) + self._header_lines)
        if size != self.virtual_size:
            self.virtual_size = size
            self.refresh(layout=True)
        else:
            self.refresh()
        if self.is_mounted:
            self.call_after_refresh(self._scroll_to_cursor)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if width != self._laid_out_for:
            self._layout = Layout(self._columns, width)
            self._laid_out_for = width
            self._painted.clear()
        if y < self._header_lines:
            return self._strip(self._layout.header(), self.get_visual_style("row-table--header"), width)
        at = y + self.scroll_offset.y - self._header_lines
        if at >= len(self._order):
            return Strip.blank(width, self.rich_style)
        if at == self._at and self.has_focus:
            line = Content(self._line(at, CHOSEN_MARK).plain, strip_control_codes=False)
            return self._strip(line, self.get_visual_style("row-table--cursor"), width)
        if at == self._at:
            line = self._line(at, self._idle_mark)
            return self._strip(line, self.get_visual_style("row-table--cursor-idle"), width)
        return self._strip(self._line(at, ""), self.visual_style, width)

    def _line(self, at: int, mark: str) -> Content:
        key = self._order[at]
        if mark:
            return self._layout.line(self._cells(key), mark)
        line = self._painted.get(key)
        if line is None:
            line = self._painted[key] = self._layout.line(self._cells(key), "")
        return line

    def _cells(self, key: str) -> list[Content]:
        cells = self._cells_of(self._items[key])
        return [cell if isinstance(cell, Content) else Content(cell) for cell in cells]

    def _strip(self, line: Content, style: Style, width: int) -> Strip:
        segments = [
            Segment(text, (style + own).rich_style)
            for text, own in line.render(style, end="", parse_style=self._get_style)
        ]
        return Strip(segments).adjust_cell_length(width, style.rich_style)
