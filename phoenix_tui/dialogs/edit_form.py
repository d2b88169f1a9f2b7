"""What the forms for parts of the core's configuration share: a line for each field, what is wrong below, Save."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from phoenix_core.domain.errors import PhoenixError
from phoenix_tui.actions import bindings
from phoenix_tui.background import in_background
from phoenix_tui.dialogs.fields import Field, Unfit, shown
from phoenix_tui.i18n import _
from phoenix_tui.tones import BAD
from phoenix_tui.widgets.controls import PushButton


class EditForm(ModalScreen[bool | None]):
    """True: the core took it; None: nothing changed. Subclasses give `put`, and what stands beside the fields."""

    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "Input"
    save_label: ClassVar[str] = _("Save")

    def __init__(self, title: str, item: msgspec.Struct, fields: Sequence[Field]) -> None:
        super().__init__()
        self._form_title = title
        self._before = item
        self._form_fields = fields

    @abstractmethod
    async def put(self) -> None:
        """Give the core what was typed. Raises PhoenixError, Unfit, which are shown."""

    def compose_more(self) -> ComposeResult:
        """Below the fields."""
        yield from ()

    def compose_buttons(self) -> ComposeResult:
        """Between Cancel and Save."""
        yield from ()

    def typed(self) -> dict[str, str]:
        """By the fields' names."""
        return {str(each.name): each.value for each in self.query(Input)}

    def say(self, error: Exception) -> None:
        self.query_one("#wrong", Static).update(Content.styled(str(error), BAD))

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(self._form_title, classes="dialog-title", markup=False)
            with VerticalScroll(classes="form-fields"):
                for field in self._form_fields:
                    with Horizontal(classes="form-line"):
                        yield Label(field.label, classes="form-name")
                        yield Input(shown(self._before, field), placeholder=field.example, name=field.name)
                yield from self.compose_more()
            yield Static(id="wrong", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Cancel"), id="no")
                yield from self.compose_buttons()
                yield PushButton(self.save_label, id="save", variant="primary")

    def on_input_submitted(self) -> None:
        self._save()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "save":
            self._save()
        elif event.button.id == "no":
            self.dismiss(None)

    def action_refuse(self) -> None:
        self.dismiss(None)

    def _save(self) -> None:
        in_background(self, self._saved, "save what a form holds")

    async def _saved(self) -> None:
        try:
            await self.put()
        except (PhoenixError, Unfit) as error:
            if self.is_running:
                self.say(error)
            return
        self.dismiss(True)
