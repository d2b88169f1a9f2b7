"""A question with two answers, resting on the harmless one."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from phoenix_tui.actions import bindings
from phoenix_tui.i18n import _
from phoenix_tui.widgets.controls import PushButton


class Confirm(ModalScreen[bool]):
    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "#no"

    def __init__(self, question: str, text: str, yes: str, *, keep: str = "") -> None:
        super().__init__()
        self._question = question
        self._text = text
        self._yes = yes
        self._keep = keep or _("Cancel")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._question, classes="dialog-title", markup=False)
            yield Static(self._text, classes="dialog-text", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(self._keep, id="no")
                yield PushButton(self._yes, id="yes", variant="error")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_refuse(self) -> None:
        self.dismiss(False)
