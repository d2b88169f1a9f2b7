"""What happens in the core shows at once, and only there where it changed."""

import msgspec

from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView, LogLineView, ProgressView, SettingView
from phoenix_tui.client import REPAINT_INTERVAL_S
from phoenix_tui.messages import CoreChanged
from phoenix_tui.screens.job import JobScreen
from phoenix_tui.widgets.log_view import LogView
from phoenix_tui.widgets.row_table import RowTable
from tests.tui import sample
from tests.tui.conftest import ConsolePilot, OpenConsole, console_of, until
from tests.tui.scripted_core import ScriptedCore


def shown(pilot: ConsolePilot) -> str:
    """The screen as text."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def progress_event(core: ScriptedCore, mib: int) -> None:
    progress = msgspec.structs.replace(sample.PROGRESS, bytes_done=mib * sample.MIB)
    job = JobView(
        id=sample.RUNNING.id,
        kind=sample.RUNNING.kind,
        state=JobState.RUNNING,
        title=sample.RUNNING.title,
        progress=progress,
    )
    core.send("progress", job_id=job.id, job=job)


async def test_progress_changes_the_row_of_its_job(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "48 %" in shown(pilot))
        progress_event(core, 2_000)
        await until(pilot, lambda: "75 %" in shown(pilot))
        assert "running" in shown(pilot)


async def test_many_events_become_few_repaints(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console(repaint_s=REPAINT_INTERVAL_S) as pilot:
        app = console_of(pilot)
        told: list[CoreChanged] = []
        deliver = app.live._deliver
        app.live._deliver = lambda changed: (told.append(changed), deliver(changed))[1]  # type: ignore[func-returns-value]
        for mib in range(1_400, 1_900):
            progress_event(core, mib)
        progress_event(core, 2_600)
        await until(pilot, lambda: "97 %" in shown(pilot))
        assert len(told) <= 5


async def test_new_job_on_top_leaves_the_cursor_on_its_job(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("3", "down")
        table = pilot.app.screen.query_one(RowTable)
        assert table.cursor_key == sample.WAITING.id
        core.put_job(msgspec.structs.replace(sample.RUNNING, id="j9zzzzzzzzz", created_at=sample.NOW))
        await until(pilot, lambda: table.row_count == len(sample.JOBS) + 1)
        assert table.cursor_key == sample.WAITING.id


async def test_job_shows_new_log_lines_and_steps(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console(size=(120, 36)) as pilot:
        await pilot.press("3", "enter")
        await until(pilot, lambda: "12 packs stored" in shown(pilot))
        core.send("log", job_id=sample.RUNNING.id, log=LogLineView(6, sample.NOW, "info", "All data is stored."))
        core.put_job(msgspec.structs.replace(sample.RUNNING, steps=sample.steps(sample.BACKUP_PLAN, running="record")))
        await until(pilot, lambda: "All data is stored." in shown(pilot))
        table = pilot.app.screen.query_one("#steps", RowTable)
        await until(pilot, lambda: table.cursor_key == "record")
        log = pilot.app.screen.query_one("#log", LogView)
        assert log.text.count("All data is stored.") == 1


async def test_log_lines_told_twice_show_once(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console(size=(120, 36)) as pilot:
        await pilot.press("3", "enter")
        await until(pilot, lambda: "12 packs stored" in shown(pilot))
        core.send("log", job_id=sample.RUNNING.id, log=sample.LOG[-1])
        core.send("log", job_id=sample.RUNNING.id, log=LogLineView(6, sample.NOW, "info", "The end."))
        await until(pilot, lambda: "The end." in shown(pilot))
        assert shown(pilot).count("12 packs stored") == 1


async def test_job_that_ends_shows_its_missing_files(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("3", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        core.missing[sample.RUNNING.id] = sample.MISSING
        core.put_job(
            msgspec.structs.replace(
                sample.RUNNING,
                state=JobState.SUCCESSFUL_WITH_ERRORS,
                finished_at=sample.NOW,
                missing_count=3,
                steps=sample.steps(sample.BACKUP_PLAN),
            )
        )
        await pilot.press("m")
        await until(pilot, lambda: "postmaster.pid" in shown(pilot))
        assert "Missing (3)" in shown(pilot)
        assert "with errors" in shown(pilot)


async def test_dashboard_shows_a_server_that_comes_back(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await until(pilot, lambda: "agent away" in shown(pilot))
        core.send("server", server=msgspec.structs.replace(sample.DB1, connected=True))
        await until(pilot, lambda: "agent away" not in shown(pilot))
        assert "● connected" in shown(pilot)


async def test_progress_before_the_totals_are_known_counts_files(core: ScriptedCore, open_console: OpenConsole) -> None:
    scanning = ProgressView(phase="scan", files_done=12_345)
    core.jobs[sample.RUNNING.id] = msgspec.structs.replace(sample.RUNNING, progress=scanning)
    async with open_console() as pilot:
        await pilot.press("3", "enter")
        await until(pilot, lambda: "scan: 12,345 files" in shown(pilot))


async def test_a_job_whose_agent_is_lost_says_so_and_since_when(core: ScriptedCore, open_console: OpenConsole) -> None:
    core.settings["agent.grace_s"] = SettingView("agent.grace_s", "60", "60", "How long a lost agent is waited for.")
    async with open_console() as pilot:
        lost = msgspec.structs.replace(sample.WEB1, connected=False, last_seen_at=sample.ago(seconds=20))
        core.send("server", server=lost)
        await until(pilot, lambda: "… agent away" in shown(pilot))
        assert "MiB/s" not in shown(pilot)
        await pilot.press("3")
        await until(pilot, lambda: "… agent away" in shown(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "agent away since 21:01:51; waiting up to 60 s" in shown(pilot))
        assert "MiB/s" not in shown(pilot)
        assert "left" not in shown(pilot)
        assert "running" not in shown(pilot).splitlines()[1]
        core.send("server", server=sample.WEB1)
        await until(pilot, lambda: "0:07 left" in shown(pilot))


async def test_checks_of_restores_are_no_results_on_the_dashboard(
    core: ScriptedCore, open_console: OpenConsole
) -> None:
    check = msgspec.structs.replace(
        sample.FAILED, id="j9check", title="Check of a restore of web1", finished_at=sample.NOW, check_only=True
    )
    core.put_job(check)
    async with open_console() as pilot:
        table = pilot.app.screen.query_one("#results", RowTable)
        await until(pilot, lambda: sample.FAILED.id in table.keys)
        assert check.id in console_of(pilot).live.model.jobs
        assert check.id not in table.keys
