"""Asks for a line of text, which may be empty."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from phoenix_tui.actions import bindings
from phoenix_tui.i18n import _
from phoenix_tui.widgets.controls import PushButton


class AskText(ModalScreen[str | None]):
    """None: nothing happens."""

    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "Input"

    def __init__(self, question: str, text: str, value: str, yes: str, *, example: str = "", chars: int = 0) -> None:
        """`value`: what is there so far. `chars`: so many at most; 0: any number."""
        super().__init__()
        self._question = question
        self._text = text
        self._value = value
        self._yes = yes
        self._example = example
        self._chars = chars

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._question, classes="dialog-title", markup=False)
            yield Static(self._text, classes="dialog-text", markup=False)
            yield Input(self._value, placeholder=self._example, max_length=self._chars)
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Cancel"), id="no")
                yield PushButton(self._yes, id="yes", variant="primary")

    def on_input_submitted(self) -> None:
        self.dismiss(self.query_one(Input).value)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(self.query_one(Input).value if event.button.id == "yes" else None)

    def action_refuse(self) -> None:
        self.dismiss(None)
