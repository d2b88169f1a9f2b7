"""Backup Now from the console."""

import msgspec
from textual.widgets import Checkbox, Input, Select, TextArea

from phoenix_core.domain.policies import Config, ContentRule, ServerGroup
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_tui.screens.backup import BackupScreen
from phoenix_tui.screens.job import JobScreen
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, until
from tests.tui.scripted_core import ScriptedCore
from tests.tui.test_live_updates import shown


def focused(pilot: ConsolePilot) -> str | None:
    return pilot.app.focused.id if pilot.app.focused is not None else None


async def test_two_keys_back_up_the_chosen_server_by_its_groups_rules(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await pilot.press("2", "end", "b")
        await until(pilot, lambda: "web (/etc, /srv)" in shown(pilot))
        assert "By its group's rules:" in shown(pilot)
        assert "As the rules say: *.tmp, /srv/cache/" in shown(pilot)
        assert focused(pilot) == "start"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    (body,) = core.asked("POST", "/v1/backups")
    assert body == {
        "server": sample.WEB1.id,
        "paths": [],
        "excludes": [],
        "cross_mounts": False,
        "dry_run": False,
        "full": False,
        "tags": [],
        "source_snapshot": None,
        "stream": "",
        "script": "",
    }


async def test_without_rules_two_keys_back_up_as_last_time(core: ScriptedCore, open_console: OpenConsole) -> None:
    """A group whose rules name streams alone says nothing of folders."""
    streams = ContentRule("dumps", streams=("orders=dump-orders",))
    core.config = Config((), (streams,), (ServerGroup("web", "", ("dumps",), ("web1",)),))
    async with open_console() as pilot:
        await pilot.press("2", "end", "b")
        await until(pilot, lambda: "As the last backup:" in shown(pilot))
        assert "/etc, /srv" in shown(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    (body,) = core.asked("POST", "/v1/backups")
    assert (body["paths"], body["excludes"]) == ([], [])


async def test_a_server_that_was_never_backed_up_begins_by_its_groups_rules(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    rule = ContentRule("files", ("/data",))
    core.config = Config((), (rule,), (ServerGroup("nas", "", ("files",), (sample.NAS.name,)),))
    async with open_console() as pilot:
        await pilot.press("2", "down", "b")
        await until(pilot, lambda: "files (/data)" in shown(pilot))
        assert "As the rules say: nothing" in shown(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    (body,) = core.asked("POST", "/v1/backups")
    assert (body["server"], body["paths"]) == (sample.NAS.id, [])


async def test_where_nothing_says_what_to_take_a_folder_is_asked_for(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    core.config = Config()
    async with open_console() as pilot:
        await pilot.press("2", "down", "b")
        await until(pilot, lambda: focused(pilot) == "paths")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen.query("Toast"))
        assert [told.message for told in pilot.app._notifications] == ["Name at least one folder."]
    assert core.asked("POST", "/v1/backups") == []


async def test_where_the_rules_cannot_be_read_the_core_decides_by_them(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    core.refuse["/v1/config"] = sample.NO_SPACE
    async with open_console() as pilot:
        await pilot.press("2", "down", "b")
        await until(pilot, lambda: pilot.app.screen.query("Toast"))
        assert "By its group's rules, else as the last backup" in shown(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    (body,) = core.asked("POST", "/v1/backups")
    assert body["paths"] == []


async def test_folders_that_are_typed_hold_without_what_the_rules_leave_out(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    windows = msgspec.structs.replace(sample.WEB1, platform="Windows 10.0.20348 x86_64")
    core.servers = {windows.id: windows}
    async with open_console() as pilot:
        await pilot.press("b")
        await until(pilot, lambda: "As the rules say" in shown(pilot))
        assert focused(pilot) == "paths"
        await pilot.press(*r"C:\x")
        await until(pilot, lambda: "As the rules say" not in shown(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    (body,) = core.asked("POST", "/v1/backups")
    assert (body["paths"], body["excludes"]) == ([r"C:\x"], [])


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
        "stream": "",
        "script": "",
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


async def test_a_backup_gets_tags_and_a_source_and_a_stream_needs_name_and_script(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await pilot.press("2", "end", "b")
        await until(pilot, lambda: focused(pilot) == "start")
        form = pilot.app.screen
        form.query_one("#tags", Input).value = "month-end, yearly"
        form.query_one("#source", Select).value = SourceSnapshot.REQUIRED
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        await pilot.press("escape", "b")
        await until(pilot, lambda: focused(pilot) == "start")
        form = pilot.app.screen
        form.query_one("#stream", Input).value = "orders"
        await until(pilot, lambda: "the stream is backed up by itself" in shown(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Name the script" in shown(pilot))
        assert focused(pilot) == "script"
        await pilot.press(*"dump-orders")
        form.query_one("#stream", Input).value = ""
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Give the stream" in shown(pilot))
        assert focused(pilot) == "stream"
        await pilot.press(*"orders", "ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    files, stream = core.asked("POST", "/v1/backups")
    assert (files["tags"], files["source_snapshot"]) == (["month-end", "yearly"], "required")
    assert (files["stream"], files["script"]) == ("", "")
    assert (stream["stream"], stream["script"], stream["source_snapshot"]) == ("orders", "dump-orders", None)
