"""Asks for a file, and does with it what it is asked for; what is wrong with it is said beside its name."""

from abc import abstractmethod
from pathlib import Path
from typing import TypeVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from phoenix_core.domain.errors import PhoenixError
from phoenix_tui.actions import bindings
from phoenix_tui.background import in_background
from phoenix_tui.config_file import place_of
from phoenix_tui.i18n import _
from phoenix_tui.tones import BAD
from phoenix_tui.widgets.controls import PushButton

T = TypeVar("T")


class AskFile(ModalScreen[T | None]):
    """What came of it; None: nothing happened. Subclasses give `use`."""

    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "Input"

    def __init__(self, question: str, text: str, name: str, yes: str) -> None:
        """`name`: of the file, until another one is typed."""
        super().__init__()
        self._question = question
        self._text = text
        self._first_name = name
        self._yes = yes

    @abstractmethod
    async def use(self, file: Path) -> T:
        """Raises PhoenixError, which is shown."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(self._question, classes="dialog-title", markup=False)
            yield Static(self._text, classes="dialog-text", markup=False)
            yield Input(self._first_name, select_on_focus=False)
            yield Static(id="wrong", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Cancel"), id="no")
                yield PushButton(self._yes, id="yes", variant="primary")

    def on_input_submitted(self) -> None:
        self._begin()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self._begin()
        else:
            self.dismiss(None)

    def action_refuse(self) -> None:
        self.dismiss(None)

    def _begin(self) -> None:
        in_background(self, self._used, "use a file")

    async def _used(self) -> None:
        try:
            result = await self.use(place_of(self.query_one(Input).value))
        except PhoenixError as error:
            if self.is_running:
                self.query_one("#wrong", Static).update(Content.styled(f"{error} {error.what_to_do}".strip(), BAD))
            return
        if self.is_running:
            self.dismiss(result)
