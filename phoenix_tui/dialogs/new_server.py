"""Makes the line that is pasted on a server that is to be protected: it installs, enrols and starts its agent."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.requests import ActivationTokenRequest
from phoenix_core.domain.views import ActivationTokenView
from phoenix_tui.actions import bindings
from phoenix_tui.background import in_background
from phoenix_tui.context import Context
from phoenix_tui.first_steps import ends_with_console, service_text
from phoenix_tui.i18n import _
from phoenix_tui.toast import toast_error
from phoenix_tui.tones import DIM, STRONG
from phoenix_tui.widgets.controls import PushButton
from phoenix_tui.widgets.focus import focus_now

WITHOUT_WHEELS = {"bundle_missing", "bundle_outdated", "bundle_damaged"}
"""Of errors: the core has nothing that a server could be installed from."""


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
        text = _(
            "One line, pasted on the server, installs, enrols and starts its agent. It works once, within an hour. "
            "Without a name the server takes its host name."
        )
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
                    yield PushButton(_("Make the line"), id="make", variant="primary")

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
        self.notify(_("The terminal was given the line for its clipboard."), markup=False)

    def _make(self) -> None:
        in_background(self, self._made, "make a line to install from")

    async def _made(self) -> None:
        request = ActivationTokenRequest(name=self.query_one("#name", Input).value.strip(), install=True)
        try:
            token = await self._client.activation_token(request)
        except PhoenixError as error:
            if error.view().code in WITHOUT_WHEELS:
                self._show_bundle(error)
            else:
                toast_error(self, error)
            return
        if self.is_running:
            self._show(token)

    def _show_bundle(self, error: PhoenixError) -> None:
        text = _("{problem}\n\nMake them on the core's host, then the line here:\n\n    {command}")
        command = self._command("core", "bundle")
        self.query_one("#text", Static).update(Content(text.format(problem=error.message, command=command)))

    def _show(self, token: ActivationTokenView) -> None:
        """Without a border beside it, so that a mouse takes the line alone."""
        until = self._formats.moment(token.expires_at)
        self._to_copy = token.install_line
        self.query_one(".dialog").add_class("bare")
        self.query_one("#text", Static).update(
            Content.assemble(
                _("Paste this on the server that is to be protected, as one line:"),
                "\n\n",
                (self._to_copy, STRONG),
                "\n\n",
                (_("It works once, until {until}. Treat it as a secret.").format(until=until), DIM),
            )
        )
        self.query_one("#name").display = False
        make = self.query_one("#make", Button)
        make.label = Content(f"[ {_('Copy it')} ]")
        focus_now(make)
