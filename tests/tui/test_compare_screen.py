"""A snapshot beside what is on its server: the agent's comparison, and the way to restoring what differs."""

import msgspec
import pytest
from textual.widgets import Static

from phoenix_core.domain.comparing import DifferencePage, DifferenceView
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import JobView
from phoenix_tui.screens.compare import CompareScreen
from phoenix_tui.screens.restore import RestoreScreen
from phoenix_tui.widgets.face import FaceView
from phoenix_tui.widgets.row_table import RowTable
from tests.tui.conftest import ConsolePilot, OpenConsole, until
from tests.tui.scripted_core import ScriptedCore


async def begin(pilot: ConsolePilot, core: ScriptedCore) -> JobView:
    await pilot.press("4")
    await until(pilot, lambda: getattr(pilot.app.screen, "place", "") == "snapshots")
    await until(pilot, lambda: pilot.app.screen.query_one(RowTable).row_count)
    await pilot.press("c")
    await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen) and newest(core))
    return newest(core)[-1]


def newest(core: ScriptedCore) -> list[JobView]:
    return [job for job in core.jobs.values() if job.kind is JobKind.FILE_COMPARE]


def end(core: ScriptedCore, job: JobView, state: JobState = JobState.SUCCESSFUL, **more: object) -> None:
    core.put_job(msgspec.structs.replace(job, state=state, **more))


def table(pilot: ConsolePilot) -> RowTable[DifferenceView]:
    found: RowTable[DifferenceView] = pilot.app.screen.query_one(RowTable)
    return found


async def test_differences_are_listed_and_one_is_restored(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        job = await begin(pilot, core)
        (asked,) = core.asked("POST", "/v1/compares")
        assert (asked["snapshot"], asked["content"]) == (core.snapshots[0].id, False)
        end(core, job, result={"content": 1, "added": 1, "same": 10})
        await until(pilot, lambda: table(pilot).row_count == 4)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RestoreScreen))
        await until(pilot, lambda: getattr(pilot.app.screen, "step", "") == "target")


async def test_what_is_only_there_now_can_not_be_restored(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        job = await begin(pilot, core)
        end(core, job, result={"added": 1})
        await until(pilot, lambda: table(pilot).row_count == 4)
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, CompareScreen)


async def test_all_files_are_read_where_that_is_asked_for(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        end(core, await begin(pilot, core), result={"content": 1})
        await until(pilot, lambda: table(pilot).row_count == 4)
        await pilot.press("h")
        await until(pilot, lambda: len(newest(core)) == 2)
        assert [each["content"] for each in core.asked("POST", "/v1/compares")] == [False, True]


async def test_a_comparison_that_finds_nothing_says_so(
    core: ScriptedCore, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.tree, "differences", lambda: DifferencePage(()))
    async with open_console() as pilot:
        job = await begin(pilot, core)
        end(core, job, result={"same": 10})
        await until(pilot, lambda: core.asked("GET", f"/v1/jobs/{job.id}/differences"))
        await until(pilot, lambda: not pilot.app.screen.query_one("#body").display)
        assert table(pilot).row_count == 0


async def test_why_a_comparison_failed_is_told(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        job = await begin(pilot, core)
        end(core, job, JobState.FAILED, error=ErrorView("x", "The agent can't compare.", "Upgrade it."))
        await until(pilot, lambda: not pilot.app.screen.query_one("#body").display)
        assert pilot.app.screen.query_one(FaceView).display


def face(pilot: ConsolePilot) -> str:
    found = pilot.app.screen.query_one(FaceView)
    return str(found.query_one(Static).render()) if found.display else ""


async def test_no_difference_is_not_said_of_what_could_not_be_compared(
    core: ScriptedCore, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.tree, "differences", lambda: DifferencePage(()))
    async with open_console() as pilot:
        job = await begin(pilot, core)
        end(core, job, JobState.SUCCESSFUL_WITH_ERRORS, result={"same": 10, "not_compared": 2})
        await until(pilot, lambda: "No difference in what could be compared" in face(pilot))
        assert "2 entries could not be compared" in face(pilot)


async def test_a_comparison_that_was_broken_off_is_not_taken_for_finished(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        job = await begin(pilot, core)
        end(core, job, JobState.CANCELLED)
        await until(pilot, lambda: "was not finished: it is cancelled" in face(pilot))


async def test_while_the_core_is_away_nothing_is_said_of_a_comparison(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await begin(pilot, core)
        await until(pilot, lambda: "Comparing" in face(pilot))
        await core.stop()
        await until(pilot, lambda: "isn't known" in face(pilot))


async def test_reading_all_files_ends_the_comparison_that_runs(core: ScriptedCore, open_console: OpenConsole) -> None:
    """What the first one would have found isn't taken for what the second one finds."""
    async with open_console() as pilot:
        first = await begin(pilot, core)
        await until(pilot, lambda: "Comparing" in face(pilot))
        await pilot.press("h")
        await until(pilot, lambda: len(newest(core)) == 2)
        await until(pilot, lambda: core.jobs[first.id].state is JobState.CANCELLED)
        await pilot.pause()
        assert "Comparing" in face(pilot)


async def test_more_than_is_listed_is_told(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        end(core, await begin(pilot, core), result={"content": 10_000, "added": 5, "listed": 4})
        await until(pilot, lambda: table(pilot).row_count == 4)
        assert "the first 4 are listed" in str(pilot.app.screen.query_one("#title", Static).render())
