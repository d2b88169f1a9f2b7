"""Asks why a snapshot is to be held, and until when."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from phoenix_core.domain.annotations import REASON_CHARS
from phoenix_core.domain.requests import HoldRequest
from phoenix_tui.actions import bindings
from phoenix_tui.i18n import _
from phoenix_tui.tones import BAD
from phoenix_tui.widgets.controls import PushButton
from phoenix_tui.widgets.focus import focus_now


class HoldSnapshot(ModalScreen[HoldRequest | None]):
    """None: nothing happens."""

    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "#reason"

    def __init__(self, question: str, zone: tzinfo | None) -> None:
        """`zone`: whose days; None: the machine's."""
        super().__init__()
        self._question = question
        self._zone = zone

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._question, classes="dialog-title", markup=False)
            text = _(
                "While it is held, neither retention nor anybody removes it. The vault keeps who held it, and why."
            )
            yield Static(text, classes="dialog-text", markup=False)
            with Horizontal(classes="form-line"):
                yield Label(_("Why"), classes="form-name")
                yield Input(placeholder=_("Such as: audit 2026"), id="reason", max_length=REASON_CHARS)
            with Horizontal(classes="form-line"):
                yield Label(_("Last day"), classes="form-name")
                yield Input(placeholder=_("Such as 2027-12-31; empty: for ever"), id="until", max_length=10)
            yield Static(id="wrong", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Cancel"), id="no")
                yield PushButton(_("Hold it"), id="yes", variant="primary")

    def on_input_submitted(self) -> None:
        self._answer()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self._answer()
        else:
            self.dismiss(None)

    def action_refuse(self) -> None:
        self.dismiss(None)

    def _answer(self) -> None:
        reason = self.query_one("#reason", Input).value.strip()
        if not reason:
            self._complain("#reason", _("A hold needs a reason."))
            return
        try:
            until = self._end(self.query_one("#until", Input).value.strip())
        except (ValueError, OverflowError):
            self._complain("#until", _("That is no day such as 2027-12-31."))
            return
        self.dismiss(HoldRequest(reason, until))

    def _end(self, text: str) -> datetime | None:
        """The end of that day. Raises ValueError, OverflowError."""
        if not text:
            return None
        return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), self._zone).astimezone(UTC)

    def _complain(self, field: str, wrong: str) -> None:
        self.query_one("#wrong", Static).update(Content.styled(f"! {wrong}", BAD))
        focus_now(self.query_one(field))
