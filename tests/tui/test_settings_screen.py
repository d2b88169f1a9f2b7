"""Settings and preferences of the console itself."""

from pathlib import Path

import pytest
from textual.widgets import Input, Static

from phoenix_core.domain.errors import ErrorView
from phoenix_tui.dialogs.change_setting import ChangeSetting
from phoenix_tui.screens.jobs import JobsScreen
from phoenix_tui.screens.vault import VaultScreen
from phoenix_tui.themes import DARK, LIGHT, PLAIN
from tests.tui.conftest import OpenConsole, until
from tests.tui.scripted_core import ScriptedCore


async def test_a_setting_is_changed_and_set_back(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("6", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChangeSetting))
        await pilot.press("end", "backspace", "9", "enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ChangeSetting))
        assert core.settings["backup.compression_level"].value == "9"
        await until(pilot, lambda: bool(pilot.app.screen.check_action("default", ())))
        await pilot.press("d")
        await until(pilot, lambda: core.settings["backup.compression_level"].value == "3")


async def test_a_wrong_value_is_said_beside_the_field(core: ScriptedCore, open_console: OpenConsole) -> None:
    wrong = "99 is no value for the setting backup.compression_level: a whole number from 1 to 19 is wanted."
    core.refuse["/v1/settings/backup.compression_level"] = ErrorView(code="bad_setting", message=wrong, hint="")
    async with open_console() as pilot:
        await pilot.press("6", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChangeSetting))
        pilot.app.screen.query_one(Input).value = "99"
        await pilot.press("enter")
        await until(pilot, lambda: wrong in str(pilot.app.screen.query_one("#wrong", Static).render()))
        assert isinstance(pilot.app.screen, ChangeSetting)


async def test_the_theme_is_remembered(core: ScriptedCore, open_console: OpenConsole, tmp_path: Path) -> None:
    (tmp_path / "console.toml").write_text('# mine\n[keys]\n"jobs.cancel" = "k"\n')
    async with open_console() as pilot:
        assert pilot.app.theme == DARK
        await pilot.press("ctrl+t")
        assert pilot.app.theme == LIGHT
    async with open_console() as pilot:
        assert pilot.app.theme == LIGHT
    assert "# mine" in (tmp_path / "console.toml").read_text()


async def test_keys_can_be_set(core: ScriptedCore, open_console: OpenConsole, tmp_path: Path) -> None:
    (tmp_path / "console.toml").write_text('[keys]\n"app.jobs" = "f3"\n')
    async with open_console() as pilot:
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
        await pilot.press("5")
        await until(pilot, lambda: isinstance(pilot.app.screen, VaultScreen))


async def test_broken_preferences_are_told_and_the_defaults_used(
    core: ScriptedCore, open_console: OpenConsole, tmp_path: Path
) -> None:
    (tmp_path / "console.toml").write_text("theme = 7\n")
    async with open_console() as pilot:
        assert pilot.app.theme == DARK
        await until(pilot, lambda: any("console.toml" in each.message for each in pilot.app._notifications))


async def test_no_color_starts_without_colour(
    core: ScriptedCore, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with open_console() as pilot:
        assert pilot.app.theme == PLAIN
