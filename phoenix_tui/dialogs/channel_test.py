"""Has a test message delivered by a channel, and shows what the other end itself said."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.notifications import DeliveryResult
from phoenix_tui.actions import bindings
from phoenix_tui.background import in_background
from phoenix_tui.i18n import _
from phoenix_tui.tones import BAD, DIM, GOOD
from phoenix_tui.widgets.controls import PushButton


class ChannelTest(ModalScreen[None]):
    BINDINGS = bindings("dialog")

    def __init__(self, client: CoreClient, channel: str) -> None:
        super().__init__()
        self._client = client
        self._channel = channel

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            title = _("Test of channel {name}").format(name=self._channel)
            yield Static(title, classes="dialog-title", markup=False)
            yield Static(_("Delivering a message; it may take a minute …"), id="outcome", classes="dialog-text")
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Close"), id="close")

    def on_mount(self) -> None:
        in_background(self, self._run, "test a channel")

    async def _run(self) -> None:
        try:
            outcome = _delivered(await self._client.test_channel(self._channel))
        except PhoenixError as error:
            outcome = Content.assemble((f"✗ {error.message}", BAD), f"\n\n{error.what_to_do}")
        if self.is_running:
            self.query_one("#outcome", Static).update(outcome)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(None)

    def action_refuse(self) -> None:
        self.dismiss(None)


def _delivered(result: DeliveryResult) -> Content:
    text = _("✓ Delivered to {whom} in {seconds:.1f} s").format(whom=", ".join(result.sent_to), seconds=result.seconds)
    return Content.assemble(
        (text, GOOD),
        "\n",
        (_("as message {id}").format(id=result.message_id), DIM),
        "\n\n",
        _("The answer: {answer}").format(answer=result.answer),
    )
