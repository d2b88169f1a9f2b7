"""Finding a file in all snapshots, and the way from a version to its restore."""

from collections.abc import Iterator

import msgspec
import pytest
from textual.widgets import Input, Select, Static

from phoenix_core.domain.reading import FileVersion, SearchLine, SearchProgress
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import SnapshotView
from phoenix_tui.screens.find import FindScreen
from phoenix_tui.screens.restore import RestoreScreen
from phoenix_tui.widgets.restore_target import SERVER, RestoreTarget
from phoenix_tui.widgets.row_table import RowTable
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, until
from tests.tui.scripted_core import ScriptedCore


async def find(pilot: ConsolePilot, *keys: str) -> RowTable[FileVersion]:
    await pilot.press("f")
    await until(pilot, lambda: isinstance(pilot.app.screen, FindScreen) and isinstance(pilot.app.focused, Input))
    await pilot.press(*keys, "enter")
    table: RowTable[FileVersion] = pilot.app.screen.query_one(RowTable)
    await until(pilot, lambda: "fit" in told(pilot) or "is wrong" in told(pilot))
    return table


def told(pilot: ConsolePilot) -> str:
    return str(pilot.app.screen.query_one("#found-line", Static).render())


async def test_versions_are_listed_and_one_is_restored_in_five_keys(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    """Beside the letters of the name: f, Enter, Enter, ctrl+n, Enter."""
    async with open_console() as pilot:
        table = await find(pilot, *"hosts")
        assert core.asked("GET", "/v1/find") == [{"pattern": "hosts", "path": "/", "limit": "1000"}]
        assert [(each.path, each.gone) for each in map(table.item, table.keys) if each] == [
            ("/etc/hosts", False),
            ("/etc/hosts", True),
        ]
        assert table.has_focus
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RestoreScreen) and step(pilot) == "target")
        await pilot.press("ctrl+n")
        await until(pilot, lambda: core.asked("POST", "/v1/restores"))
        (check,) = core.asked("POST", "/v1/restores")
        first = table.item(table.keys[0])
        assert first is not None
        assert (check["snapshot"], check["paths"], check["check_only"]) == (first.newest, ["/etc/hosts"], True)
        job = next(each for each in core.jobs.values() if "Check" in each.title)
        core.put_job(msgspec.structs.replace(job, state=JobState.SUCCESSFUL))
        await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "begin")
        await pilot.press("enter")
        await until(pilot, lambda: len(core.asked("POST", "/v1/restores")) == 2)
        begun = core.asked("POST", "/v1/restores")[1]
        assert begun == check | {"check_only": False}


def step(pilot: ConsolePilot) -> str:
    return str(getattr(pilot.app.screen, "step", ""))


async def test_an_older_version_is_restored_from_the_snapshot_that_has_it(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        table = await find(pilot, *"hosts")
        older = table.item(table.keys[1])
        assert older is not None
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RestoreScreen) and step(pilot) == "target")
        await pilot.press("ctrl+n")
        await until(pilot, lambda: core.asked("POST", "/v1/restores"))
        assert core.asked("POST", "/v1/restores")[0]["snapshot"] == older.newest


async def test_nothing_found_lets_another_name_be_typed(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await find(pilot, *"nothing-of-this-name")
        assert "0 versions fit" in told(pilot)
        assert isinstance(pilot.app.focused, Input)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, FindScreen))


async def test_what_the_core_refuses_is_told(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        core.refuse["/v1/find"] = msgspec.structs.replace(sample.NO_SPACE, message="Something is wrong.")
        await find(pilot, *"hosts")
        assert "Something is wrong." in told(pilot)


async def test_another_search_is_begun_with_a_slash(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await find(pilot, *"hosts")
        await pilot.press("slash")
        assert isinstance(pilot.app.focused, Input)


async def test_a_search_that_is_cut_short_says_so(
    core: ScriptedCore, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = core.tree.versions("hosts", core.snapshots)

    def cut(pattern: str, snapshots: list[SnapshotView]) -> Iterator[SearchLine]:
        yield whole[0]
        raise ConnectionResetError

    monkeypatch.setattr(core.tree, "versions", cut)
    async with open_console() as pilot:
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input))
        await pilot.press(*"hosts", "enter")
        await until(pilot, lambda: "was cut short" in told(pilot))
        assert pilot.app.screen.query_one(RowTable).row_count == 1


async def test_lost_snapshots_are_told(
    core: ScriptedCore, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        core.tree, "versions", lambda pattern, snapshots: [SearchLine(end=SearchProgress(1, 1, unreadable=0, lost=2))]
    )
    async with open_console() as pilot:
        await find(pilot, *"hosts")
        assert "2 snapshots are lost and not searched" in told(pilot)


async def test_what_was_found_is_there_again_behind_the_restore(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await find(pilot, *"hosts")
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RestoreScreen) and step(pilot) == "target")
        for _step in ("files", "source", "found"):
            await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, FindScreen))
        table = pilot.app.screen.query_one(RowTable)
        assert (table.row_count, table.has_focus) == (2, True)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RestoreScreen) and step(pilot) == "target")


async def test_a_file_of_a_server_that_is_gone_is_restored_to_another_one(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    """The core doesn't know it any more; its snapshots are there."""
    gone = sample.SNAPSHOTS[0].server_id
    del core.servers[gone]
    async with open_console() as pilot:
        await find(pilot, *"hosts")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RestoreScreen) and step(pilot) == "target")
        target = pilot.app.screen.query_one(RestoreTarget)
        await until(pilot, lambda: target.place == SERVER)
        target.query_one("#to-server", Select).value = sample.DB1.id
        target.query_one("#folder", Input).value = "/srv/restored"
        await pilot.press("ctrl+n")
        await until(pilot, lambda: core.asked("POST", "/v1/restores"))
        (check,) = core.asked("POST", "/v1/restores")
        assert (check["server"], check["to_server"], check["destination"]) == (gone, sample.DB1.id, "/srv/restored")


async def test_a_server_that_was_enrolled_anew_gets_its_files_back(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    before = core.servers.pop(sample.SNAPSHOTS[0].server_id)
    core.servers["anew"] = msgspec.structs.replace(before, id="anew")
    async with open_console() as pilot:
        await find(pilot, *"hosts")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RestoreScreen) and step(pilot) == "target")
        await pilot.press("ctrl+n")
        await until(pilot, lambda: core.asked("POST", "/v1/restores"))
        (check,) = core.asked("POST", "/v1/restores")
        assert (check["server"], check["to_server"], check["destination"]) == ("anew", "", "")


async def test_a_version_whose_snapshot_went_meanwhile_says_so(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await find(pilot, *"hosts")
        core.snapshots = core.snapshots[1:]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RestoreScreen))
        await until(pilot, lambda: any("removed meanwhile" in each.message for each in pilot.app._notifications))
