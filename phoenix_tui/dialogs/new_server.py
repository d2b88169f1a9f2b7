"""Makes an activation token for a server that is to be protected, and shows the command to type there."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.views import ActivationTokenRequest, ActivationTokenView
from phoenix_tui.actions import bindings
from phoenix_tui.formats import Formats
from phoenix_tui.i18n import _
from phoenix_tui.toast import toast_error
from phoenix_tui.tones import DIM, STRONG
from phoenix_tui.widgets.controls import PushButton
from phoenix_tui.widgets.focus import focus_now


class NewServer(ModalScreen[None]):
    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "#name"

    def __init__(self, client: CoreClient, formats: Formats) -> None:
        super().__init__()
        self._client = client
        self._formats = formats

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(_("Protect a new server"), classes="dialog-title")
            yield Static(
                _("The token lets one server enrol, once, within an hour. Without a name it takes its host name."),
                classes="dialog-text",
                id="text",
            )
            yield Input(placeholder=_("Name (empty: the server's host name)"), id="name")
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Close"), id="close")
                yield PushButton(_("Make a token"), id="make", variant="primary")

    def on_input_submitted(self) -> None:
        self._make()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "make":
            self._make()
        else:
            self.dismiss()

    def action_refuse(self) -> None:
        self.dismiss()

    def _make(self) -> None:
        self.run_worker(self._made(), name="make an activation token", exclusive=True)

    async def _made(self) -> None:
        request = ActivationTokenRequest(name=self.query_one("#name", Input).value.strip())
        try:
            token = await self._client.activation_token(request)
        except PhoenixError as error:
            toast_error(self, error)
            return
        if self.is_running:
            self._show(token)

    def _show(self, token: ActivationTokenView) -> None:
        until = self._formats.moment(token.expires_at)
        self.query_one("#text", Static).update(
            Content.assemble(
                _("On the server that is to be protected, type:"),
                "\n\n",
                (f"phoenix agent enroll {token.token}", STRONG),
                "\n\n",
                (_("It works once, until {until}. Treat it as a secret.").format(until=until), DIM),
            )
        )
        self.query_one("#name").display = False
        self.query_one("#make").display = False
        focus_now(self.query_one("#close", Button))
