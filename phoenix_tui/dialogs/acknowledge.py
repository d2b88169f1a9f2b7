"""Takes a note with which an operator says that they know of an alert."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from phoenix_core.domain.alerts import AlertView
from phoenix_tui.actions import bindings
from phoenix_tui.i18n import _
from phoenix_tui.widgets.controls import PushButton


class Acknowledge(ModalScreen[str | None]):
    """The note, which may be empty; None: nothing happens."""

    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "Input"

    def __init__(self, alert: AlertView) -> None:
        super().__init__()
        self._alert = alert

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            title = _("Acknowledge: {what}: {subject}").format(what=self._alert.kind.words, subject=self._alert.subject)
            yield Static(title, classes="dialog-title", markup=False)
            text = _("Others see that you know of it. It stays active until what it is about is gone.")
            yield Static(text, classes="dialog-text", markup=False)
            yield Input(placeholder=_("A note, such as who looks after it"), max_length=500)
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Cancel"), id="no")
                yield PushButton(_("Acknowledge"), id="yes", variant="primary")

    def on_input_submitted(self) -> None:
        self.dismiss(self.query_one(Input).value)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(self.query_one(Input).value if event.button.id == "yes" else None)

    def action_refuse(self) -> None:
        self.dismiss(None)
