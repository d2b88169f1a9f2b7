"""From a policy's schedule to files on a disk and back, through a whole core and a real agent; and what becomes of
backups while that agent is away."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from phoenix_core.agent.run import run_agent
from phoenix_core.domain.policies import BackupPolicy, ContentRule, ServerGroup
from phoenix_core.domain.requests import ActivationTokenRequest, BackupRequest, RestoreRequest
from phoenix_core.domain.states import JobState, StepState
from phoenix_core.domain.views import JobView
from tests.engine.fake_agent import FakeAgent
from tests.engine.moved_clock import MovedClock
from tests.engine.policies.nights import scheduled, the_night_comes
from tests.engine.rig import Rig


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    (made / "deep" / "er").mkdir(parents=True)
    (made / "large").write_bytes(os.urandom(3_000_000))
    (made / "deep" / "er" / "file").write_bytes(b"in depth")
    (made / "left.tmp").write_bytes(b"out")
    return made


@pytest.fixture
def scripts(tmp_path: Path, source: Path) -> Path:
    """With `dump`, which makes what the backup then finds."""
    folder = tmp_path / "scripts"
    folder.mkdir(mode=0o755)
    (folder / "dump").write_text(f'#!/bin/sh\necho "$PHOENIX_PHASE $PHOENIX_JOB" > {source}/dump.sql\n')
    (folder / "dump").chmod(0o755)
    return folder


async def enrolled(rig: Rig) -> Path:
    state = rig.root / "server" / "agent"
    token = await rig.client.activation_token(ActivationTokenRequest(name="web1"))
    await FakeAgent(state).enrol(token.token)
    return state


@asynccontextmanager
async def working(rig: Rig, state: Path, scripts: Path) -> AsyncIterator[None]:
    """The agent runs; afterwards the core knows that it is away."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_agent(state, stop=stop, scripts=scripts), name="agent")
    await rig.until(lambda: rig.is_connected("web1"))
    yield
    stop.set()
    async with asyncio.timeout(20):
        await task

    async def away() -> bool:
        return not await rig.is_connected("web1")

    await rig.until(away)


async def protect(rig: Rig, source: Path) -> None:
    policy = BackupPolicy(name="nightly", schedule=("daily at 02:00",), pre_script="dump", reread_every=2)
    await rig.client.put_policy("nightly", policy)
    await rig.client.put_rule("web", ContentRule(name="web", paths=(str(source),), excludes=("*.tmp",)))
    await rig.client.put_group("web", ServerGroup("web", policy="nightly", rules=("web",), servers=("web1",)))


async def at_night(rig: Rig, clock: MovedClock, count: int) -> JobView:
    return await rig.ended((await the_night_comes(rig, clock, count)).id)


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


async def test_what_a_schedule_backs_up_is_restored_as_it_was_and_an_agent_that_was_away_catches_up(
    rig: Rig, clock: MovedClock, source: Path, scripts: Path
) -> None:
    await rig.client.set_setting("agent.grace_s", "0")
    state = await enrolled(rig)
    await protect(rig, source)
    async with working(rig, state, scripts):
        night = await at_night(rig, clock, 1)
        assert night.state is JobState.SUCCESSFUL, night.error
        assert night.result["read_all"]
        snapshot = await rig.client.snapshot(night.snapshot_id)
        assert (snapshot.paths, snapshot.files) == ((str(source),), 3)
        target = rig.root / "restored"
        request = RestoreRequest(server="web1", snapshot=snapshot.id, destination=str(target))
        back = await rig.ended((await rig.client.restore(request)).id)
        assert back.state is JobState.SUCCESSFUL, back.error
        assert await asyncio.to_thread(restored, target) == {
            "source/dump.sql": f"pre {night.id}\n".encode(),
            "source/large": (source / "large").read_bytes(),
            "source/deep/er/file": b"in depth",
        }

    skipped = await at_night(rig, clock, 2)
    assert skipped.state is JobState.SKIPPED
    assert skipped.error is not None
    assert "agent on web1 was not connected" in skipped.error.message
    assert {step.state for step in skipped.steps} == {StepState.SKIPPED}
    now = await rig.client.backup(BackupRequest(server="web1"))
    await rig.in_state(now.id, JobState.WAITING_FOR_AGENT)

    async with working(rig, state, scripts):
        done = await rig.ended(now.id)
        assert (done.state, done.result["read_all"]) == (JobState.SUCCESSFUL, False), done.error
        third = await at_night(rig, clock, 3)
        assert (third.state, third.result["read_all"]) == (JobState.SUCCESSFUL, True), third.error
    assert [job.state for job in await scheduled(rig)] == [JobState.SUCCESSFUL, JobState.SKIPPED, JobState.SUCCESSFUL]


def restored(target: Path) -> dict[str, bytes]:
    """By the path from the folder that was backed up."""
    (source,) = target.rglob("source")
    return {f"source/{name}": content for name, content in files_below(source).items()}
