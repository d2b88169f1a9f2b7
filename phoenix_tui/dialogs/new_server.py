"""Makes an activation token for a server that is to be protected, and shows the command to type there."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.requests import ActivationTokenRequest
from phoenix_core.domain.views import ActivationTokenView
from phoenix_tui.actions import bindings
from phoenix_tui.context import Context
from phoenix_tui.first_steps import ends_with_console, service_text
from phoenix_tui.i18n import _
from phoenix_tui.toast import toast_error
from phoenix_tui.tones import DIM, STRONG
from phoenix_tui.widgets.controls import PushButton
from phoenix_tui.widgets.focus import focus_now


class NewServer(ModalScreen[None]):
    BINDINGS = [*bindings("dialog"), *bindings("token")]  # noqa: RUF012
    AUTO_FOCUS = "#name, #close"

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._client = context.live.client
        self._formats = context.formats
        self._command = context.command
        self._possible = not ends_with_console(context.live.model)
        self._to_copy = ""

    def compose(self) -> ComposeResult:
        text = _("The token lets one server enrol, once, within an hour. Without a name it takes its host name.")
        with Vertical(classes="dialog wide"):
            yield Static(_("Protect a new server"), classes="dialog-title")
            yield Static(
                text if self._possible else service_text(self._command), classes="dialog-text", id="text", markup=False
            )
            if self._possible:
                yield Input(placeholder=_("Name (empty: the server's host name)"), id="name")
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Close"), id="close")
                if self._possible:
                    yield PushButton(_("Make a token"), id="make", variant="primary")

    def on_input_submitted(self) -> None:
        self._make()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "close":
            self.dismiss()
        elif self._to_copy:
            self.action_copy()
        else:
            self._make()

    def action_refuse(self) -> None:
        self.dismiss()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "copy" or bool(self._to_copy)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._to_copy)
        self.notify(_("The terminal was given the command for its clipboard."), markup=False)

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
        """Without a border beside it, so that a mouse takes the command alone."""
        until = self._formats.moment(token.expires_at)
        self._to_copy = f"phoenix agent enroll {token.token} && phoenix agent run"
        self.query_one(".dialog").add_class("bare")
        self.query_one("#text", Static).update(
            Content.assemble(
                _("On the server that is to be protected, type:"),
                "\n\n",
                (self._to_copy, STRONG),
                "\n\n",
                (_("The token works once, until {until}. Treat it as a secret.").format(until=until), DIM),
                "\n",
                (_("The second command is the agent itself: it runs until it is stopped."), DIM),
            )
        )
        self.query_one("#name").display = False
        make = self.query_one("#make", Button)
        make.label = Content(f"[ {_('Copy it')} ]")
        focus_now(make)
