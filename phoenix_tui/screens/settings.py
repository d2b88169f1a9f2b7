"""The settings that the catalog keeps: what each means, its value, its default."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.domain.views import SettingView
from phoenix_tui.actions import bindings
from phoenix_tui.context import Context
from phoenix_tui.dialogs.change_setting import ChangeSetting
from phoenix_tui.i18n import _
from phoenix_tui.screens.reading import ReadingScreen
from phoenix_tui.screens.searching import SearchableScreen
from phoenix_tui.tones import DIM, STRONG
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face, failed, loading
from phoenix_tui.widgets.row_table import Cell, RowTable


class SettingsScreen(ReadingScreen, SearchableScreen):
    BINDINGS = bindings("settings")
    place = "settings"
    search_for = _("Text in the line, such as a part of a setting's name")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._settings: list[SettingView] | None = None
        self._problem: ErrorView | None = None

    def compose_body(self) -> ComposeResult:
        yield from self.compose_search()
        yield RowTable[SettingView](
            (Column(_("Setting"), 27), Column(_("Value"), 16), Column(_("Meaning"))),
            key=lambda setting: setting.key,
            cells=self._cells,
        )
        with Vertical(id="detail-part", classes="part"):
            yield Static(id="detail")

    async def fetch(self) -> None:
        try:
            self._settings, self._problem = await self.client.settings(), None
        except PhoenixError as error:
            self._problem = error.view()
        self.update_view()

    def face(self) -> Face | None:
        if self._settings is None:
            return failed(self._problem) if self._problem else loading()
        return None

    def show_model(self) -> None:
        settings = self._settings or []
        self.query_one(RowTable).show([each for each in settings if self.holds(each.key, each.value, each.description)])
        self._show_detail()

    def _cells(self, setting: SettingView) -> list[Cell]:
        changed = setting.value != setting.default
        value = setting.value or _("(empty)")
        return [
            setting.key,
            Content.styled(f"{value} *", STRONG) if changed else value,
            Content.styled(setting.description, DIM),
        ]

    def _show_detail(self) -> None:
        setting = self._setting()
        if setting is None:
            return
        default = _("Default: {value}").format(value=setting.default or _("(empty)"))
        changed = _("  * changed from its default") if setting.value != setting.default else ""
        self.query_one("#detail-part").border_title = setting.key
        self.query_one("#detail", Static).update(
            Content.assemble(setting.description, "\n", (default, DIM), (changed, STRONG))
        )

    # --- intentions --------------------------------------------------------------------------------------------------

    def _setting(self) -> SettingView | None:
        item = self.query_one(RowTable).cursor_item
        return item if isinstance(item, SettingView) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        setting = self._setting() if self.is_whole else None
        if action == "default":
            return setting is not None and setting.value != setting.default
        if action == "change":
            return setting is not None
        return super().check_action(action, parameters)

    def on_row_table_highlighted(self) -> None:
        self._show_detail()
        self.refresh_offer()

    def on_row_table_opened(self) -> None:
        self.action_change()

    def action_change(self) -> None:
        setting = self._setting()
        if setting is not None:
            self.app.push_screen(ChangeSetting(self.client, setting), self._changed)

    def action_default(self) -> None:
        setting = self._setting()
        if setting is not None:
            self.attempt(self.client.set_setting(setting.key, setting.default), "set a default", self._changed)

    def _changed(self, setting: SettingView | None) -> None:
        if setting is not None and self._settings is not None:
            self._settings = [setting if each.key == setting.key else each for each in self._settings]
            self.update_view()
