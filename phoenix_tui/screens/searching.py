"""A list that can be searched: only rows that hold a text are shown, until escape."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Input

from phoenix_tui.actions import SEARCH
from phoenix_tui.i18n import _
from phoenix_tui.screens.base import ConsoleScreen
from phoenix_tui.widgets.focus import focus_now
from phoenix_tui.widgets.row_table import RowTable


class SearchableScreen(ConsoleScreen):
    """Subclasses yield from `compose_search` above their table, and show the rows that `holds` says yes to."""

    search_for: ClassVar[str] = _("Text in the line, such as a server's name")

    def compose_search(self) -> ComposeResult:
        yield Input(placeholder=self.search_for, id="search", compact=True)

    def on_mount(self) -> None:
        self.query_one("#search").display = False
        super().on_mount()

    def holds(self, *texts: str) -> bool:
        """Whether what is searched for stands in one of these."""
        wanted = self.query_one("#search", Input).value.strip().lower()
        return not wanted or wanted in " ".join(texts).lower()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.may_search if action == SEARCH else super().check_action(action, parameters)

    def action_search(self) -> None:
        search = self.query_one("#search", Input)
        search.display = True
        focus_now(search)

    def on_input_changed(self) -> None:
        self.show_model()

    def on_input_submitted(self) -> None:
        self._leave_search()

    def key_escape(self) -> None:
        search = self.query_one("#search", Input)
        if search.display:
            search.value = ""
            self._leave_search()

    def _leave_search(self) -> None:
        search = self.query_one("#search", Input)
        search.display = bool(search.value.strip())
        focus_now(self.query_one(RowTable))
