"""The lines that say that what is shown is stale, what the console does about it, and what the operator can do."""

from textual.content import Content
from textual.widgets import Static

from phoenix_tui.i18n import _
from phoenix_tui.model import Connection, CoreModel


class Banner(Static):
    def __init__(self, model: CoreModel, run: str) -> None:
        """`run`: the command that starts a core."""
        super().__init__(id="banner")
        self._model = model
        self._run = run
        self.display = False

    def update_line(self) -> None:
        model = self._model
        away = model.connection is Connection.DISCONNECTED
        self.display = model.loaded and model.problem is not None
        if self.display and model.problem is not None and not away:
            self.update(Content(f"✗ {model.problem.message} {model.problem.hint}"))
        elif self.display:
            stale = _("✗ The core doesn't answer; this was last known. Trying again … (^r: now)")
            advice = _("Start it: `{run}`. Or leave with ^q, and open the console again.").format(run=self._run)
            self.update(Content(f"{stale}\n{advice}"))
