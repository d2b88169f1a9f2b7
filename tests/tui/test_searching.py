"""Search in the lists: what is typed behind `/` chooses rows, and does nothing else."""

import pytest
from textual.widgets import Input

from phoenix_tui.widgets.row_table import RowTable
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, until
from tests.tui.scripted_core import ScriptedCore

DB1_SNAPSHOT = sample.SNAPSHOTS[1].id
SEARCHES = [("2", "db1", [sample.DB1.id]), ("4", "postgresql", [DB1_SNAPSHOT]), ("6", "warm", ["warm_days"])]


def keys(pilot: ConsolePilot) -> list[str]:
    return pilot.app.screen.query_one(RowTable).keys


@pytest.mark.parametrize(("screen", "text", "found"), SEARCHES)
async def test_a_list_shows_the_lines_that_hold_the_text(
    screen: str, text: str, found: list[str], core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await pilot.press(screen)
        await until(pilot, lambda: pilot.app.screen.query(RowTable) and len(keys(pilot)) > 1)
        here = pilot.app.screen
        all_of_them = keys(pilot)
        await pilot.press("slash", *text)
        await until(pilot, lambda: keys(pilot) == found)
        assert pilot.app.screen is here
        await pilot.press("enter")
        assert pilot.app.focused is here.query_one(RowTable)
        await pilot.press("slash", "escape")
        await until(pilot, lambda: keys(pilot) == all_of_them)
        assert not here.query_one("#search", Input).display


async def test_where_nothing_is_listed_there_is_nothing_to_search(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    core.servers.clear()
    async with open_console() as pilot:
        await pilot.press("2", "slash", *"zz")
        await pilot.pause()
        assert pilot.app.screen.query_one("#search", Input).value == ""
        assert not isinstance(pilot.app.focused, Input)
