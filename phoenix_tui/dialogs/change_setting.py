"""Takes a new value for a setting; what is wrong with it is said beside it."""

from functools import partial

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.views import SettingView
from phoenix_tui.actions import bindings
from phoenix_tui.background import in_background
from phoenix_tui.i18n import _
from phoenix_tui.tones import BAD, DIM
from phoenix_tui.widgets.controls import PushButton


class ChangeSetting(ModalScreen[SettingView | None]):
    """The setting as the core took it; None: it stays as it was."""

    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "Input"

    def __init__(self, client: CoreClient, setting: SettingView) -> None:
        super().__init__()
        self._client = client
        self._setting = setting

    def compose(self) -> ComposeResult:
        setting = self._setting
        with Vertical(classes="dialog"):
            yield Static(setting.key, classes="dialog-title", markup=False)
            default = _("Default: {value}").format(value=setting.default or _("empty"))
            yield Static(Content.assemble(setting.description, "\n", (default, DIM)), classes="dialog-text")
            yield Input(setting.value)
            yield Static(id="wrong", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Cancel"), id="no")
                yield PushButton(_("Save"), id="save", variant="primary")

    def on_input_submitted(self) -> None:
        self._save()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "save":
            self._save()
        else:
            self.dismiss(None)

    def action_refuse(self) -> None:
        self.dismiss(None)

    def _save(self) -> None:
        in_background(self, partial(self._saved, self.query_one(Input).value), "save a setting")

    async def _saved(self, value: str) -> None:
        try:
            self.dismiss(await self._client.set_setting(self._setting.key, value))
        except PhoenixError as error:
            if not self.is_running:
                return
            self.query_one("#wrong", Static).update(Content.styled(error.message, BAD))
