"""Leaving the console, with and without work in the core inside it."""

import msgspec
import pytest

from phoenix_core.domain.states import JobState
from phoenix_tui.dialogs.leave import LeaveDialog, Leaving
from tests.tui import sample
from tests.tui.conftest import OpenConsole, console_of, until
from tests.tui.scripted_core import ScriptedCore


async def test_a_core_of_its_own_process_is_left_alone(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("q")
        await until(pilot, lambda: not pilot.app.is_running)
        assert pilot.app.return_value is Leaving.KEEP


async def test_an_idle_embedded_core_stops(core: ScriptedCore, open_console: OpenConsole) -> None:
    for job in sample.JOBS:
        core.jobs[job.id] = msgspec.structs.replace(job, state=JobState.SUCCESSFUL, finished_at=sample.NOW)
    async with open_console(embedded=True) as pilot:
        await pilot.press("q")
        await until(pilot, lambda: not pilot.app.is_running)
        assert pilot.app.return_value is Leaving.STOP


@pytest.mark.parametrize(
    ("keys", "leaving"), [(("right", "enter"), Leaving.KEEP), (("right", "right", "enter"), Leaving.STOP)]
)
async def test_work_in_an_embedded_core_is_asked_about(
    keys: tuple[str, ...], leaving: Leaving, core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console(embedded=True) as pilot:
        await pilot.press("q")
        await until(pilot, lambda: isinstance(pilot.app.screen, LeaveDialog))
        await pilot.press(*keys)
        await until(pilot, lambda: not pilot.app.is_running)
        assert pilot.app.return_value is leaving


@pytest.mark.parametrize("key", ["enter", "escape"])
async def test_the_question_rests_on_staying(key: str, core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console(embedded=True) as pilot:
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(pilot.app.screen, LeaveDialog))
        await pilot.press(key)
        await until(pilot, lambda: not isinstance(pilot.app.screen, LeaveDialog))
        assert pilot.app.is_running
        assert console_of(pilot).live.model.loaded
