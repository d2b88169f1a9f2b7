"""A choice of one among a few, each with a line about it; the last answer is to leave it."""

from collections.abc import Sequence
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from phoenix_tui.actions import bindings
from phoenix_tui.i18n import _
from phoenix_tui.tones import STRONG


class Choice(NamedTuple):
    id: str
    title: str
    text: str


class Choose(ModalScreen[str | None]):
    """None: nothing was chosen."""

    BINDINGS = bindings("dialog")

    def __init__(self, question: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._question = question
        self._choices = choices

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(self._question, classes="dialog-title", markup=False)
            yield OptionList(
                *(
                    Option(Content.assemble((f"{each.title}\n", STRONG), f"  {each.text}"), id=each.id)
                    for each in self._choices
                )
            )
            yield Static(_("Enter chooses, escape leaves it."), classes="dialog-hint")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def action_refuse(self) -> None:
        self.dismiss(None)
