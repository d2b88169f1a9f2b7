"""All policies, rules, groups and notifications as one file, in the console."""

from pathlib import Path

import msgspec
import pytest
from textual.widgets import Input, Static

from phoenix_core.configfile import from_text, to_text
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.notifications import Channel
from phoenix_core.domain.policies import BackupPolicy, Config
from phoenix_tui.dialogs.config_changes import ConfigChanges
from phoenix_tui.dialogs.config_files import LoadConfig, SaveConfig
from phoenix_tui.screens.policies import PoliciesScreen
from phoenix_tui.widgets.controls import PushButton
from phoenix_tui.widgets.log_view import LogView
from tests.tui import sample_notifications, sample_policies
from tests.tui.conftest import ConsolePilot, OpenConsole, picture_of, until
from tests.tui.pictures import Album
from tests.tui.scripted_core import ScriptedCore
from tests.tui.test_policies_screen import opened

WANTED = Config(
    policies=(
        msgspec.structs.replace(sample_policies.CONFIG.policies[0], retries=5),
        BackupPolicy("weekly", ("weekly on sun at 03:00",)),
    ),
    rules=sample_policies.CONFIG.rules,
    groups=(msgspec.structs.replace(sample_policies.CONFIG.groups[0], servers=("web1",)),),
)


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def wrong(pilot: ConsolePilot) -> str:
    return str(pilot.app.screen.query_one("#wrong", Static).render())


async def name(pilot: ConsolePilot, kind: type, file: str) -> None:
    """Type it into the dialog, and go on."""
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))
    pilot.app.screen.query_one(Input).value = file
    await pilot.press("enter")


async def test_it_is_saved_and_replaces_a_file_only_when_it_is_said_twice(
    core: ScriptedCore, open_console: OpenConsole, tmp_path: Path
) -> None:
    there = tmp_path / "there.toml"
    there.write_text("mine")
    async with open_console() as pilot:
        await opened(pilot)
        await pilot.press("w")
        await name(pilot, SaveConfig, "")
        await until(pilot, lambda: "nothing is typed" in wrong(pilot))
        await name(pilot, SaveConfig, "~/no/such/folder.toml")
        await until(pilot, lambda: "No such file" in wrong(pilot))
        await name(pilot, SaveConfig, "~/there.toml")
        await until(pilot, lambda: "is there already" in wrong(pilot))
        assert there.read_text() == "mine"
        await name(pilot, SaveConfig, "~/other.toml")
        await until(pilot, lambda: isinstance(pilot.app.screen, PoliciesScreen))
        assert from_text((tmp_path / "other.toml").read_text(), "it") == core.config
        await pilot.press("w")
        await name(pilot, SaveConfig, "~/there.toml")
        await until(pilot, lambda: "is there already" in wrong(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, PoliciesScreen))
        assert from_text(there.read_text(), "it") == core.config
        await pilot.press("l")
        await until(pilot, lambda: isinstance(pilot.app.screen, LoadConfig))
        await pilot.press("enter")  # the file that was named last
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfigChanges))
        assert not pilot.app.screen.query("#yes")
        assert core.asked("PUT", "/v1/config") == []


async def test_what_is_wrong_in_a_file_is_said_by_line_and_field(
    core: ScriptedCore, open_console: OpenConsole, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    refused = "Policy nightly: schedule: '0 0 30 2 *' never comes: there is no such day."
    async with open_console() as pilot:
        await opened(pilot)
        await pilot.press("l")
        await name(pilot, LoadConfig, str(file))
        await until(pilot, lambda: "No such file" in wrong(pilot))
        file.write_text("[policies.nightly]\nretries = \n")
        await name(pilot, LoadConfig, str(file))
        await until(pilot, lambda: "line 2" in wrong(pilot))
        file.write_text('[policies.nightly]\nretries = "many"\n')
        await name(pilot, LoadConfig, str(file))
        await until(pilot, lambda: "policies.nightly: Expected `int`" in wrong(pilot))
        assert "$.retries" in wrong(pilot)
        assert core.asked("POST", "/v1/config/diff") == []
        core.refuse["/v1/config/diff"] = ErrorView(code="field_invalid", message=refused, hint="")
        file.write_text('[policies.nightly]\nschedule = ["0 0 30 2 *"]\n')
        await name(pilot, LoadConfig, str(file))
        await until(pilot, lambda: refused in wrong(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, PoliciesScreen))


async def test_a_file_is_applied_only_after_its_difference_was_shown(
    core: ScriptedCore, open_console: OpenConsole, album: Album, tmp_path: Path
) -> None:
    before = core.config
    channel = Channel("ops", host="mail.example.org", user="phoenix")
    core.notifications.channels = {"ops": msgspec.structs.replace(sample_notifications.OPS, secret_held_by="")}
    wanted = msgspec.structs.replace(WANTED, channels=(channel,))
    (tmp_path / "wanted.toml").write_text(to_text(wanted))
    async with open_console() as pilot:
        await opened(pilot)
        await pilot.press("l")
        await name(pilot, LoadConfig, "~/wanted.toml")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfigChanges))
        shown = pilot.app.screen.query_one(LogView).text
        assert "- policy hourly  removed" in shown
        assert "  - retries: 2\n  + retries: 5" in shown
        assert "+ policy weekly  added" in shown
        assert "- group databases  removed" in shown
        album.compare("dialog-config-80x24", await picture_of(pilot))
        await pilot.press("enter")  # it rests on Cancel
        await until(pilot, lambda: isinstance(pilot.app.screen, PoliciesScreen))
        assert core.config == before
        core.refuse["/v1/config"] = ErrorView(code="field_invalid", message="Group web: servers: none.", hint="")
        await pilot.press("l")
        await until(pilot, lambda: isinstance(pilot.app.screen, LoadConfig))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfigChanges))
        pilot.app.screen.query_one("#yes", PushButton).press()
        await until(pilot, lambda: "Group web: servers: none." in wrong(pilot))
        core.refuse.clear()
        pilot.app.screen.query_one("#yes", PushButton).press()
        await until(pilot, lambda: isinstance(pilot.app.screen, PoliciesScreen))
        assert core.config == wanted
        await until(pilot, lambda: any("channel ops" in each.message for each in pilot.app._notifications))
        assert any("Applied 6 changes" in each.message for each in pilot.app._notifications)
