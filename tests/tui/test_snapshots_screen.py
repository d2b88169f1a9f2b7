"""The list of snapshots: what each holds, and with which it is compared."""

import msgspec
import pytest

from phoenix_core.domain.views import ChangePage
from phoenix_tui.screens.diff import DiffScreen
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, until
from tests.tui.scripted_core import ScriptedCore
from tests.tui.test_live_updates import shown

NEWEST, _OF_DB1, OLDEST = sample.SNAPSHOTS


async def open_list(pilot: ConsolePilot) -> None:
    await pilot.press("4")
    await until(pilot, lambda: pilot.app.screen.query_one("#detail-part").display)


async def test_changes_are_those_since_the_last_snapshot_of_the_same_folders(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    between = msgspec.structs.replace(NEWEST, id="b" * 64, paths=("/home",), created_at=sample.ago(hours=30))
    core.snapshots = [NEWEST, between, OLDEST]
    async with open_console() as pilot:
        await open_list(pilot)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, DiffScreen) and OLDEST.id[:12] in shown(pilot))
    assert [path for _verb, path, _body in core.requests if "/diff/" in path] == [
        f"/v1/snapshots/{OLDEST.id}/diff/{NEWEST.id}"
    ]


async def test_where_there_is_none_to_compare_with_it_says_so(core: ScriptedCore, open_console: OpenConsole) -> None:
    core.snapshots = [NEWEST, msgspec.structs.replace(OLDEST, paths=("/home",))]
    async with open_console() as pilot:
        await open_list(pilot)
        await pilot.press("d")
        await until(pilot, lambda: pilot.app._notifications)
        (told,) = pilot.app._notifications
        assert "no earlier snapshot of /etc, /srv" in told.message
        assert not isinstance(pilot.app.screen, DiffScreen)


async def test_lists_say_which_folders_a_snapshot_holds(core: ScriptedCore, open_console: OpenConsole) -> None:
    core.snapshots = [NEWEST, msgspec.structs.replace(OLDEST, paths=("/home",))]
    async with open_console() as pilot:
        await open_list(pilot)
        assert [f in shown(pilot) for f in ("Folders", "/etc, /srv", "/home")] == [True] * 3
        await pilot.press("r")
        await until(pilot, lambda: getattr(pilot.app.screen, "place", "") == "restore")
        await pilot.press("escape")
        await until(pilot, lambda: "/home" in shown(pilot))
        assert "/etc, /srv" in shown(pilot)


async def test_changes_that_could_not_be_read_to_the_end_say_so(
    core: ScriptedCore, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    core.snapshots = [NEWEST, OLDEST]
    first = msgspec.structs.replace(core.tree.changes(), next_after="/srv/www/old.html")

    def only_the_first_page() -> ChangePage:
        core.refuse[f"/v1/snapshots/{OLDEST.id}/diff/{NEWEST.id}"] = sample.NO_SPACE
        return first

    monkeypatch.setattr(core.tree, "changes", only_the_first_page)
    async with open_console() as pilot:
        await open_list(pilot)
        await pilot.press("d")
        await until(pilot, lambda: "broken off" in shown(pilot))
        assert "4+ changes" in shown(pilot)
