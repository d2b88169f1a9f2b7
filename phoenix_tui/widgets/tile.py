"""A small box of the dashboard: a name, a large fact, a line about it."""

from textual.content import Content
from textual.widgets import Static

from phoenix_tui.tones import DIM


class Tile(Static):
    def __init__(self, name: str, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="tile")
        self._title = name
        self.show(Content(""), "")

    def show(self, fact: Content | str, line: Content | str) -> None:
        value = fact if isinstance(fact, Content) else Content.styled(fact, "bold")
        self.update(Content.assemble((self._title, DIM), "\n", value, "\n", line))
