"""Leaving while the core inside this console has work: keep it running, stop it, or stay."""

from enum import StrEnum

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from phoenix_tui.actions import bindings
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.widgets.controls import PushButton


class Leaving(StrEnum):
    """What is to become of the core when the console is left."""

    STOP = "stop"
    KEEP = "keep"


class LeaveDialog(ModalScreen[Leaving | None]):
    """None: stay."""

    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "#stay"

    def __init__(self, active_jobs: int) -> None:
        super().__init__()
        self._active_jobs = active_jobs

    def compose(self) -> ComposeResult:
        text = ngettext("{count} job is not done.", "{count} jobs are not done.", self._active_jobs)
        with Vertical(classes="dialog"):
            yield Static(_("Leave while the core works?"), classes="dialog-title")
            yield Static(
                text.format(count=self._active_jobs)
                + " "
                + _(
                    "Keep: the core goes on in the background. Stop: running jobs end as aborted; "
                    "what they stored is used again."
                ),
                classes="dialog-text",
            )
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Stay"), id="stay")
                yield PushButton(_("Keep the core running"), id="keep", variant="primary")
                yield PushButton(_("Stop"), id="stop", variant="error")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        answers = {"keep": Leaving.KEEP, "stop": Leaving.STOP}
        self.dismiss(answers.get(event.button.id or ""))

    def action_refuse(self) -> None:
        self.dismiss(None)
