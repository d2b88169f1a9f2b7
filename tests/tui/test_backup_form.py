"""Backup Now from the console."""

from textual.widgets import Checkbox, Select, TextArea

from phoenix_tui.screens.backup import BackupScreen
from phoenix_tui.screens.job import JobScreen
from tests.tui import sample
from tests.tui.conftest import OpenConsole, until
from tests.tui.scripted_core import ScriptedCore


async def test_two_keys_back_up_the_chosen_server_as_last_time(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("2", "end", "b")
        await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "start")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    (body,) = core.asked("POST", "/v1/backups")
    assert body == {
        "server": sample.WEB1.id,
        "paths": ["/etc", "/srv"],
        "excludes": [],
        "cross_mounts": False,
        "dry_run": False,
        "full": False,
        "tags": [],
        "source_snapshot": None,
    }


async def test_form_sends_what_was_filled_in(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("b")
        await until(pilot, lambda: isinstance(pilot.app.screen, BackupScreen) and pilot.app.screen.query("#server"))
        screen = pilot.app.screen
        screen.query_one("#server", Select).value = sample.NAS.id
        await pilot.pause()
        screen.query_one("#paths", TextArea).text = "/data\n\n  /home \n"
        screen.query_one("#excludes", TextArea).text = "*.tmp\n"
        screen.query_one("#cross-mounts", Checkbox).value = True
        screen.query_one("#dry-run", Checkbox).value = True
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    (body,) = core.asked("POST", "/v1/backups")
    assert body == {
        "server": sample.NAS.id,
        "paths": ["/data", "/home"],
        "excludes": ["*.tmp"],
        "cross_mounts": True,
        "dry_run": True,
        "full": False,
        "tags": [],
        "source_snapshot": None,
    }


async def test_form_asks_for_what_is_missing_and_sends_nothing(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("b")
        await until(pilot, lambda: isinstance(pilot.app.screen, BackupScreen) and pilot.app.screen.query("#server"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen.query("Toast"))
        pilot.app.screen.query_one("#server", Select).value = sample.NAS.id
        await pilot.pause()
        pilot.app.screen.query_one("#paths", TextArea).text = "relative/path"
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert pilot.app.focused is pilot.app.screen.query_one("#paths")
    assert core.asked("POST", "/v1/backups") == []


async def test_leaving_the_job_does_not_come_back_to_the_form(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("2", "end", "b")
        await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "start")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        await pilot.press("escape")
        await until(pilot, lambda: getattr(pilot.app.screen, "place", "") == "servers")


async def test_what_the_core_refuses_is_said_and_the_form_stays(core: ScriptedCore, open_console: OpenConsole) -> None:
    core.refuse["/v1/backups"] = sample.NO_SPACE
    async with open_console() as pilot:
        await pilot.press("2", "end", "b")
        await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "start")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen.query("Toast"))
        (told,) = pilot.app._notifications
        assert sample.NO_SPACE.message in told.message
        assert sample.NO_SPACE.hint in told.message
        assert isinstance(pilot.app.screen, BackupScreen)
