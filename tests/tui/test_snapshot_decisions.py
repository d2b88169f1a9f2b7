"""What an operator decides about snapshots in the console: tags, notes, holds, removals, and that one is undone."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from textual.widgets import Input, Static

from phoenix_core.domain.annotations import Hold
from phoenix_core.domain.views import SettingView
from phoenix_tui.dialogs.ask_text import AskText
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.hold_snapshot import HoldSnapshot
from phoenix_tui.dialogs.typed_confirm import TypedConfirm
from phoenix_tui.screens.job import JobScreen
from phoenix_tui.screens.snapshots import SnapshotsScreen
from phoenix_tui.widgets.row_table import RowTable
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, until
from tests.tui.scripted_core import ScriptedCore
from tests.tui.test_live_updates import shown

NEWEST = sample.SNAPSHOTS[0]
WHERE = f"/v1/snapshots/{NEWEST.id}"
HELD = msgspec.structs.replace(NEWEST, hold=Hold("audit 2026", "mara", sample.NOW))
REMOVED = msgspec.structs.replace(
    NEWEST,
    id="d" * 64,
    removed_at=sample.NOW - timedelta(days=1),
    removed_by="mara",
    undo_until=sample.NOW + timedelta(days=6),
)


async def open_list(pilot: ConsolePilot) -> None:
    await pilot.press("4")
    await until(pilot, lambda: isinstance(pilot.app.screen, SnapshotsScreen))
    await until(pilot, lambda: pilot.app.screen.query_one(RowTable).cursor_item is not None)


def question(pilot: ConsolePilot) -> str:
    return " ".join(str(each.render()) for each in pilot.app.screen.query(Static))


async def test_the_list_tells_what_was_decided(core: ScriptedCore, open_console: OpenConsole) -> None:
    decided = msgspec.structs.replace(HELD, tags=("yearly",), note="Before the move.")
    core.snapshots = [decided, *sample.SNAPSHOTS[1:]]
    async with open_console(size=(120, 36)) as pilot:
        await open_list(pilot)
        text = shown(pilot)
        assert "yearly Before" in text
        assert "for ever, by mara: audit 2026" in text
        assert "Before the move." in text
        await pilot.press("slash", *"yearly", "enter")
        await until(pilot, lambda: pilot.app.screen.query_one(RowTable).row_count == 1)


async def test_tags_are_changed_as_one_line(core: ScriptedCore, open_console: OpenConsole) -> None:
    core.snapshots = [msgspec.structs.replace(NEWEST, tags=("old", "yearly"))]
    async with open_console() as pilot:
        await open_list(pilot)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskText))
        field = pilot.app.screen.query_one(Input)
        assert field.value == "old yearly"
        field.value = "yearly, Month-End"
        await pilot.press("enter")
        await until(pilot, lambda: core.snapshots[0].tags == ("month-end", "yearly"))
    assert core.asked("POST", f"{WHERE}/tags") == [{"add": ["month-end"], "remove": ["old"]}]


def noted(core: ScriptedCore, text: str) -> Callable[[], bool]:
    return lambda: core.snapshots[0].note == text


async def test_a_note_is_written_and_taken_away(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await open_list(pilot)
        for text in ("Before the move.", ""):
            await until(pilot, lambda: isinstance(pilot.app.screen, SnapshotsScreen))
            await pilot.press("n")
            await until(pilot, lambda: isinstance(pilot.app.screen, AskText))
            pilot.app.screen.query_one(Input).value = text
            await pilot.press("enter")
            await until(pilot, noted(core, text))


async def test_a_held_snapshot_says_so_before_it_is_removed(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await open_list(pilot)
        await pilot.press("k")
        await until(pilot, lambda: isinstance(pilot.app.screen, HoldSnapshot))
        await pilot.press("enter")
        assert "needs a reason" in question(pilot)
        await pilot.press(*"audit", "tab", *"2031-02-30", "enter")
        assert "no day" in question(pilot)
        pilot.app.screen.query_one("#until", Input).value = "2031-12-31"
        await pilot.press("enter")
        await until(pilot, lambda: core.snapshots[0].hold)
        (asked,) = core.asked("PUT", f"{WHERE}/hold")
        assert asked == {"reason": "audit", "until": "2031-12-31T23:00:00Z"}
        await until(pilot, lambda: isinstance(pilot.app.screen, SnapshotsScreen) and "held" in shown(pilot))
        await pilot.press("x")
        await until(pilot, lambda: any("End its hold first" in each.message for each in pilot.app._notifications))
        assert isinstance(pilot.app.screen, SnapshotsScreen)
        await pilot.press("k")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: core.snapshots[0].hold is None)


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ("7", "It can be brought back for 7 days, until about"),
        ("0", "it goes for good at once, and nothing brings it back"),
        ("", "for as many days as the setting snapshots.undo_days says"),
    ],
)
async def test_the_question_says_what_can_be_undone(
    days: str, told: str, core: ScriptedCore, open_console: OpenConsole
) -> None:
    if days:
        core.settings["snapshots.undo_days"] = SettingView("snapshots.undo_days", days, "7", "")
    async with open_console() as pilot:
        await open_list(pilot)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(pilot.app.screen, TypedConfirm))
        assert told in question(pilot)


async def test_a_removed_snapshot_is_brought_back(core: ScriptedCore, open_console: OpenConsole) -> None:
    core.removed = [REMOVED]
    async with open_console() as pilot:
        await open_list(pilot)
        assert "1 removed, u shows it" in shown(pilot)
        assert pilot.app.screen.query_one(RowTable).row_count == len(sample.SNAPSHOTS)
        await pilot.press("u")
        await until(pilot, lambda: pilot.app.screen.query_one(RowTable).row_count == 1)
        assert "can be brought back until about" in shown(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: core.asked("POST", f"/v1/snapshots/{REMOVED.id}/undelete"))
        await until(pilot, lambda: pilot.app.screen.query_one(RowTable).row_count == len(sample.SNAPSHOTS) + 1)


async def test_a_removed_snapshot_goes_for_good_where_its_name_is_typed(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    core.removed = [REMOVED]
    async with open_console() as pilot:
        await open_list(pilot)
        await pilot.press("u")
        await until(pilot, lambda: pilot.app.screen.query_one(RowTable).row_count == 1)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(pilot.app.screen, TypedConfirm))
        assert "for good?" in question(pilot)
        assert "nothing brings it back any more" in question(pilot)
        await pilot.press(*"d" * 12, "enter", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    assert core.asked("DELETE", f"/v1/snapshots/{REMOVED.id}") == [{"at_once": "true", "typed": "d" * 12}]
