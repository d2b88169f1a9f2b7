"""Every screen and every dialog looks as it was found good, at 80×24 and 120×36."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from textual.widgets import Input

from phoenix_core.domain.states import JobKind, JobState, StepState
from phoenix_core.domain.views import StepView
from phoenix_tui.model import Connection
from phoenix_tui.screens.restore import RestoreScreen
from phoenix_tui.themes import CONTRAST, LIGHT, PLAIN
from phoenix_tui.widgets.restore_target import FOLDER as TO_FOLDER
from phoenix_tui.widgets.restore_target import RestoreTarget
from tests.tui import sample, sample_policies
from tests.tui.conftest import ConsolePilot, OpenConsole, console_of, picture_of, until
from tests.tui.pictures import FOLDER, MANUAL, Album
from tests.tui.scripted_core import ScriptedCore

SMALL, LARGE = (80, 24), (120, 36)
sizes = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x36"])
Prepare = Callable[[ConsolePilot, ScriptedCore], Awaitable[None]]


def place(pilot: ConsolePilot) -> str:
    return str(getattr(pilot.app.screen, "place", ""))


async def press(pilot: ConsolePilot, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await pilot.pause()


async def settled(pilot: ConsolePilot) -> None:
    """Until nothing is being read any more."""
    await until(pilot, lambda: all(worker.name == "live core" for worker in pilot.app.workers if worker.is_running))


def opens(*keys: str) -> Prepare:
    async def prepare(pilot: ConsolePilot, core: ScriptedCore) -> None:
        for key in keys:
            await press(pilot, key)
            await settled(pilot)

    return prepare


async def failed_job(pilot: ConsolePilot, core: ScriptedCore) -> None:
    await opens("3", "down", "down", "down", "down", "enter")(pilot, core)


async def job_with_missing_files(pilot: ConsolePilot, core: ScriptedCore) -> None:
    await opens("3", "down", "down", "down", "enter", "m", "z")(pilot, core)


async def job_result(pilot: ConsolePilot, core: ScriptedCore) -> None:
    await opens("3", "down", "down", "enter", "i", "z")(pilot, core)


async def running_restore(pilot: ConsolePilot, core: ScriptedCore) -> None:
    restore = msgspec.structs.replace(
        sample.FAILED,
        id="j7restore01",
        state=JobState.RUNNING,
        error=None,
        finished_at=None,
        created_at=sample.ago(seconds=20),
        started_at=sample.ago(seconds=20),
        progress=sample.PROGRESS,
        steps=sample.steps(sample.RESTORE_PLAN, running="WF6.6"),
    )
    core.put_job(restore)
    await until(pilot, lambda: restore.id in console_of(pilot).live.model.jobs)
    await opens("3", "home", "enter")(pilot, core)


async def tree(pilot: ConsolePilot, core: ScriptedCore) -> None:
    await opens("4", "enter")(pilot, core)
    await at_step(pilot, "files")
    await opens("down", "enter", "down", "space", "down", "enter")(pilot, core)


async def search(pilot: ConsolePilot, core: ScriptedCore) -> None:
    await opens("4", "enter")(pilot, core)
    await at_step(pilot, "files")
    await opens("slash")(pilot, core)
    pilot.app.screen.query_one("#pattern", Input).value = "*.mp4"
    await opens("enter", "space")(pilot, core)


async def finding(pilot: ConsolePilot, core: ScriptedCore) -> None:
    await opens("f")(pilot, core)
    pilot.app.screen.query_one("#pattern", Input).value = "hosts"
    await opens("enter")(pilot, core)


async def comparing(pilot: ConsolePilot, core: ScriptedCore) -> None:
    await opens("4", "c")(pilot, core)
    await end_comparison(pilot, core, added=1, removed=1, content=1, metadata=1, same=48_211)


async def end_comparison(pilot: ConsolePilot, core: ScriptedCore, **counts: int) -> None:
    await until(pilot, lambda: any(job.kind is JobKind.FILE_COMPARE for job in core.jobs.values()))
    job = [job for job in core.jobs.values() if job.kind is JobKind.FILE_COMPARE][-1]
    core.put_job(msgspec.structs.replace(job, state=JobState.SUCCESSFUL, result=dict(counts)))
    await until(pilot, lambda: core.asked("GET", f"/v1/jobs/{job.id}/differences"))
    await settled(pilot)


async def at_step(pilot: ConsolePilot, step: str) -> None:
    """Of a restore; what the step lists is there."""

    def is_there() -> bool:
        screen = pilot.app.screen
        return isinstance(screen, RestoreScreen) and screen.is_whole and screen.step == step

    await until(pilot, is_there)
    await settled(pilot)


async def destination(pilot: ConsolePilot, core: ScriptedCore) -> None:
    await opens("4", "enter")(pilot, core)
    await at_step(pilot, "files")
    await press(pilot, "ctrl+n")
    await at_step(pilot, "target")
    target = pilot.app.screen.query_one(RestoreTarget)
    await press(pilot, "down", "enter")
    await until(pilot, lambda: target.place == TO_FOLDER and target.query_one("#folder-row").display)


async def checked(pilot: ConsolePilot, core: ScriptedCore) -> None:
    await opens("4", "enter")(pilot, core)
    await at_step(pilot, "files")
    await opens("down", "space")(pilot, core)
    for step in ("target", "check"):
        await press(pilot, "ctrl+n")
        await at_step(pilot, step)
    job_id = await check_job(pilot, core)
    steps = tuple(
        StepView(step_id, title, StepState.SKIPPED if step_id == "WF6.6" else StepState.DONE)
        for step_id, title in sample.RESTORE_PLAN
    )
    result: dict[str, int | float | str | bool] = {
        "needed_bytes": 812 * sample.MIB,
        "free_bytes": 187 * sample.GIB,
        "check_only": True,
    }
    core.put_job(msgspec.structs.replace(core.jobs[job_id], state=JobState.SUCCESSFUL, steps=steps, result=result))
    await until(pilot, lambda: console_of(pilot).live.model.jobs[job_id].state.is_final)
    await until(pilot, lambda: pilot.app.focused is not None and pilot.app.focused.id == "begin")


async def check_job(pilot: ConsolePilot, core: ScriptedCore) -> str:
    await until(pilot, lambda: any("Check" in job.title for job in console_of(pilot).live.model.jobs.values()))
    return next(job.id for job in core.jobs.values() if "Check" in job.title)


async def refused(pilot: ConsolePilot, core: ScriptedCore) -> None:
    """An error of the core as a toast."""
    core.refuse["/v1/vault/prune"] = sample.NO_SPACE
    await opens("5", "p")(pilot, core)
    await until(pilot, lambda: pilot.app.screen.query("Toast"))


async def token(pilot: ConsolePilot, core: ScriptedCore) -> None:
    await opens("n", "enter")(pilot, core)


def with_alerts(*keys: str) -> Prepare:
    async def prepare(pilot: ConsolePilot, core: ScriptedCore) -> None:
        for alert in sample_policies.ALERTS:
            core.put_alert(alert)
        await until(pilot, lambda: len(console_of(pilot).live.model.alerts) == 3)
        await opens(*keys)(pilot, core)

    return prepare


def with_notifications(*keys: str) -> Prepare:
    async def prepare(pilot: ConsolePilot, core: ScriptedCore) -> None:
        core.notifications.fill()
        await opens("9", *keys)(pilot, core)

    return prepare


VIEWS: dict[str, Prepare] = {
    "dashboard": opens(),
    "servers": opens("2", "end"),
    "jobs": opens("3"),
    "job": opens("3", "enter"),
    "job-failed": failed_job,
    "job-missing": job_with_missing_files,
    "job-result": job_result,
    "job-restore": running_restore,
    "snapshots": opens("4"),
    "changes": opens("4", "d"),
    "find": finding,
    "compare": comparing,
    "vault": opens("5"),
    "settings": opens("6"),
    "policies": opens("7", "down", "down"),
    "alerts": with_alerts("8", "down"),
    "dashboard-alerts": with_alerts(),
    "notifications": with_notifications("down"),
    "backup": opens("2", "end", "b"),
    "restore-source": opens("r", "down"),
    "restore-files": tree,
    "restore-search": search,
    "restore-destination": destination,
    "restore-check": checked,
    "help": opens("2", "question_mark"),
    "error": refused,
}
DIALOGS: dict[str, Prepare] = {
    "dialog-cancel": opens("3", "c"),
    "dialog-remove-server": opens("2", "x"),
    "dialog-new-server": opens("n"),
    "dialog-token": token,
    "dialog-verify": opens("5", "v"),
    "dialog-setting": opens("6", "down", "e"),
    "dialog-leave": opens("q"),
    "dialog-policy": opens("7", "down", "down", "e"),
    "dialog-group": opens("7", "e"),
    "dialog-acknowledge": with_alerts("8", "a"),
    "dialog-channel": with_notifications("e"),
    "dialog-notification-rule": with_notifications("end", "e"),
    "dialog-channel-test": with_notifications("t"),
    "palette": opens("ctrl+p"),
}


def test_the_manual_shows_the_console_as_it_is() -> None:
    shown = sorted(MANUAL.glob("*.svg"))
    assert shown
    assert [each.name for each in shown if each.read_text("utf-8") != (FOLDER / each.name).read_text("utf-8")] == []


@sizes
@pytest.mark.parametrize("view", VIEWS)
async def test_view_looks_right(
    view: str, size: tuple[int, int], core: ScriptedCore, open_console: OpenConsole, album: Album
) -> None:
    async with open_console(size=size) as pilot:
        await VIEWS[view](pilot, core)
        album.compare(f"{view}-{size[0]}x{size[1]}", await picture_of(pilot))


@pytest.mark.parametrize("dialog", DIALOGS)
async def test_dialog_looks_right(dialog: str, core: ScriptedCore, open_console: OpenConsole, album: Album) -> None:
    async with open_console(embedded=True) as pilot:
        await DIALOGS[dialog](pilot, core)
        album.compare(f"{dialog}-80x24", await picture_of(pilot))


@pytest.mark.parametrize("theme", [LIGHT, CONTRAST, PLAIN])
async def test_theme_looks_right(theme: str, core: ScriptedCore, open_console: OpenConsole, album: Album) -> None:
    async with open_console() as pilot:
        pilot.app.theme = theme
        await opens("3", "enter")(pilot, core)
        album.compare(f"theme-{theme}-80x24", await picture_of(pilot))


@pytest.mark.parametrize("key", ["1", "3", "4", "9", "b", "r"])
async def test_empty_face_looks_right(key: str, core: ScriptedCore, open_console: OpenConsole, album: Album) -> None:
    core.servers.clear()
    core.jobs.clear()
    core.snapshots.clear()
    async with open_console() as pilot:
        await opens(key)(pilot, core)
        album.compare(f"empty-{place(pilot)}-80x24", await picture_of(pilot))


async def test_face_without_a_vault_looks_right(core: ScriptedCore, open_console: OpenConsole, album: Album) -> None:
    core.vault = None
    async with open_console() as pilot:
        await opens("5")(pilot, core)
        album.compare("error-vault-80x24", await picture_of(pilot))


async def test_loading_face_looks_right(core: ScriptedCore, open_console: OpenConsole, album: Album) -> None:
    core.held.clear()
    async with open_console(wait=False) as pilot:
        await until(pilot, lambda: core.asked("GET", "/v1/servers"))
        album.compare("loading-80x24", await picture_of(pilot))
        core.held.set()


async def test_disconnected_face_looks_right(open_console: OpenConsole, album: Album) -> None:
    async with open_console(wait=False, socket=Path("/nowhere/phoenix/core.sock")) as pilot:
        await until(pilot, lambda: console_of(pilot).live.model.connection is Connection.DISCONNECTED)
        await until(pilot, lambda: pilot.app.screen.query_one(".face").display)
        album.compare("disconnected-80x24", await picture_of(pilot))


async def test_stale_data_says_so(core: ScriptedCore, open_console: OpenConsole, album: Album) -> None:
    async with open_console() as pilot:
        live = console_of(pilot).live
        await core.stop()
        await until(pilot, lambda: live.model.connection is Connection.DISCONNECTED)
        album.compare("stale-80x24", await picture_of(pilot))
