"""The list of jobs: filter, search, older pages, cancel, retry."""

from datetime import timedelta

import msgspec
from textual.widgets import Input

from phoenix_core.domain.states import JobState
from phoenix_tui.client import JOBS_READ
from phoenix_tui.screens.job import JobScreen
from phoenix_tui.widgets.row_table import RowTable
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, console_of, until
from tests.tui.scripted_core import ScriptedCore


def keys(pilot: ConsolePilot) -> list[str]:
    return pilot.app.screen.query_one(RowTable).keys


async def test_filter_goes_through_all_active_finished_and_failed(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console() as pilot:
        await pilot.press("3")
        assert len(keys(pilot)) == len(sample.JOBS)
        await pilot.press("f")
        assert keys(pilot) == [sample.RUNNING.id, sample.WAITING.id]
        await pilot.press("f")
        assert keys(pilot) == [sample.DONE.id, sample.WITH_ERRORS.id, sample.FAILED.id, sample.VERIFIED.id]
        await pilot.press("f")
        assert keys(pilot) == [sample.FAILED.id]
        await pilot.press("f")
        assert len(keys(pilot)) == len(sample.JOBS)


async def test_filter_without_a_match_keeps_the_filter_in_sight(core: ScriptedCore, open_console: OpenConsole) -> None:
    del core.jobs[sample.FAILED.id]
    async with open_console() as pilot:
        await pilot.press("3", "f", "f", "f")
        assert keys(pilot) == []
        assert pilot.app.screen.query_one("#filter").is_on_screen


async def test_search_shows_lines_that_hold_the_text(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("3", "slash", *"DB1", "enter")
        await until(pilot, lambda: keys(pilot) == [sample.WAITING.id, sample.WITH_ERRORS.id, sample.FAILED.id])
        assert pilot.app.focused is pilot.app.screen.query_one(RowTable)
        await pilot.press("slash", "escape")
        await until(pilot, lambda: len(keys(pilot)) == len(sample.JOBS))
        assert not pilot.app.screen.query_one("#search", Input).display


async def test_jobs_of_one_server(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("2", "j")
        await until(pilot, lambda: getattr(pilot.app.screen, "place", "") == "jobs")
        await until(pilot, lambda: keys(pilot) == [sample.WAITING.id, sample.WITH_ERRORS.id])


async def test_older_jobs_are_read_at_the_end_of_the_list(core: ScriptedCore, open_console: OpenConsole) -> None:
    for number in range(JOBS_READ + 40):
        job = msgspec.structs.replace(
            sample.DONE, id=f"j0old{number:06d}", created_at=sample.ago(days=3) - timedelta(minutes=number)
        )
        core.jobs[job.id] = job
    async with open_console() as pilot:
        await pilot.press("3")
        await until(pilot, lambda: len(keys(pilot)) == JOBS_READ)
        await pilot.press("end")
        await until(pilot, lambda: len(keys(pilot)) == JOBS_READ + 40 + len(sample.JOBS))


async def test_retry_opens_the_new_job(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("3", "down", "down", "down", "down", "t")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        screen = pilot.app.screen
        assert isinstance(screen, JobScreen)
        await until(pilot, lambda: screen.job_in_hand() is not None)
        job = screen.job_in_hand()
        assert job is not None
        assert (job.retry_of, job.attempt) == (sample.FAILED.id, 2)


async def test_only_what_a_job_allows_is_offered(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("3")
        offered = {binding.binding.action for binding in pilot.app.screen.active_bindings.values()}
        assert "cancel" in offered
        assert "retry" not in offered
        await pilot.press("end")
        await pilot.pause()
        offered = {binding.binding.action for binding in pilot.app.screen.active_bindings.values()}
        assert "retry" in offered
        assert "cancel" not in offered


async def test_a_job_that_is_not_known_says_so(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.app.push_screen(JobScreen(console_of(pilot).context, "j0nowhere00"))
        face = pilot.app.screen.query_one(".face-text")
        await until(pilot, lambda: "There is no" in str(face.render()))


async def test_a_job_that_ends_can_no_longer_be_cancelled(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("3", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        core.put_job(msgspec.structs.replace(sample.RUNNING, state=JobState.SUCCESSFUL, finished_at=sample.NOW))
        await until(pilot, lambda: not pilot.app.screen.check_action("cancel", ()))
        assert pilot.app.screen.check_action("retry", ())
