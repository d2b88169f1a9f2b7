"""The line that says that what is shown is stale, and what the console does about it."""

from textual.content import Content
from textual.widgets import Static

from phoenix_tui.i18n import _
from phoenix_tui.model import Connection, CoreModel


class Banner(Static):
    def __init__(self, model: CoreModel) -> None:
        super().__init__(id="banner")
        self._model = model
        self.display = False

    def update_line(self) -> None:
        model = self._model
        away = model.connection is Connection.DISCONNECTED
        self.display = model.loaded and model.problem is not None
        if self.display and model.problem is not None and not away:
            self.update(Content(f"✗ {model.problem.message} {model.problem.hint}"))
        elif self.display:
            self.update(Content(_("✗ The core doesn't answer; this was last known. Trying again … (^r: now)")))
