"""Lines that wrap to the width and follow the tail until the operator scrolls up."""

from collections.abc import Iterable

from rich.segment import Segment
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from phoenix_tui.tones import DIM

LINES_KEPT = 5000


class LogView(ScrollView, can_focus=True):
    DEFAULT_CSS = """
    LogView { width: 100%; height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    def __init__(self, *, follow: bool = True, empty: str = "", id: str | None = None) -> None:  # noqa: A002 (as all)
        """`empty`: what to show while there are no lines."""
        super().__init__(id=id)
        self._empty = Content.styled(empty, DIM)
        self._follow = follow
        self._lines: list[Content] = []
        self._wrapped: list[Content] = []

    def replace(self, lines: Iterable[Content]) -> None:
        """Show these lines; where they are the ones that are shown, nothing happens."""
        new = list(lines)[-LINES_KEPT:]
        if len(new) != len(self._lines) or not all(map(Content.is_same, new, self._lines)):
            self._lines = new
            self._rewrap()

    def append(self, lines: Iterable[Content]) -> None:
        self._lines.extend(lines)
        if len(self._lines) > LINES_KEPT:
            del self._lines[:-LINES_KEPT]
        self._rewrap()

    @property
    def text(self) -> str:
        return "\n".join(line.plain for line in self._lines)

    def on_resize(self) -> None:
        self._rewrap()

    def _rewrap(self) -> None:
        width = self.scrollable_content_region.width
        if width <= 2:
            return
        at_end = self.scroll_offset.y >= self.max_scroll_y
        self._wrapped = [part for line in self._lines or [self._empty] for part in line.wrap(width - 1)]
        self.virtual_size = Size(width, len(self._wrapped))
        self.refresh()
        if self._follow and at_end:
            self.call_after_refresh(self.scroll_end, animate=False)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        style = self.visual_style
        at = y + self.scroll_offset.y
        if at >= len(self._wrapped):
            return Strip.blank(width, style.rich_style)
        segments = [
            Segment(text, (style + own).rich_style)
            for text, own in self._wrapped[at].render(style, end="", parse_style=self._get_style)
        ]
        return Strip(segments).adjust_cell_length(width, style.rich_style)
