"""For what can't be undone: the operator types the name of what is to go."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from phoenix_tui.actions import bindings
from phoenix_tui.i18n import _
from phoenix_tui.tones import STRONG
from phoenix_tui.widgets.controls import PushButton
from phoenix_tui.widgets.focus import focus_now


class TypedConfirm(ModalScreen[bool]):
    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "#typed"

    def __init__(self, question: str, text: str, word: str, yes: str) -> None:
        super().__init__()
        self._question = question
        self._text = text
        self._word = word
        self._yes = yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._question, classes="dialog-title", markup=False)
            yield Static(self._text, classes="dialog-text", markup=False)
            yield Static(Content.assemble(_("Type "), (self._word, STRONG), _(" to confirm:")))
            yield Input(id="typed")
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Cancel"), id="no")
                yield PushButton(self._yes, id="yes", variant="error", disabled=True)

    def on_input_changed(self, event: Input.Changed) -> None:
        self.query_one("#yes", Button).disabled = event.value.strip() != self._word

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip() == self._word:
            focus_now(self.query_one("#yes", Button))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_refuse(self) -> None:
        self.dismiss(False)
