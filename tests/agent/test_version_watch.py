"""An agent beside other versions of itself, on a real link: it confirms itself, and makes way between two jobs."""

import asyncio
import select
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from phoenix_core.agent.errors import NotGreeted
from phoenix_core.agent.run import run_agent
from phoenix_core.agent.versionwatch import VersionWatch
from phoenix_core.rollout.onserver.versions import Versions
from phoenix_core.rollout.program import Program
from tests.agentlink.bench import CoreBench, running_core
from tests.rollout.placed import placed

OLD, NEW = "0.1.0-a", "0.2.0-b"


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[CoreBench]:
    with blockbuster_ctx("phoenix_core.agent"):
        async with running_core(tmp_path / "pki") as core:
            yield core


@pytest.fixture
async def state_dir(core: CoreBench, tmp_path: Path) -> Path:
    await core.enrol(tmp_path / "enrolled")
    return tmp_path / "enrolled"


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    made = Versions(str(tmp_path / "opt"))
    placed(made, OLD, NEW)
    made.switch(OLD)
    return made


def watch(versions: Versions, name: str, trial_s: float = 60.0) -> VersionWatch:
    program = Program(Path(versions.prefix, "current", "bin", "phoenix"), versions, name)
    return VersionWatch(program, look_s=0.02, trial_s=trial_s)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        select.select([], [], [], 0.02)


async def test_an_agent_ends_for_another_version_once_no_job_runs(versions: Versions) -> None:
    own, jobs = watch(versions, OLD), ["j1"]
    looks = iter(range(1_000_000))

    def busy() -> bool:
        if next(looks) == 20:
            jobs.clear()
        return bool(jobs)

    versions.switch(NEW)
    async with asyncio.timeout(20):
        await own.until_switched(busy)
    assert own.restart
    assert next(looks) > 20, "it looked again and again while the job ran"


async def test_a_running_agent_makes_way(core: CoreBench, state_dir: Path, versions: Versions) -> None:
    own = watch(versions, OLD)
    agent = asyncio.create_task(run_agent(state_dir, stop=asyncio.Event(), versions=own))
    await core.engine.changes.until(lambda: core.engine.connects)
    versions.switch(NEW)
    async with asyncio.timeout(20):
        await agent
    assert own.restart
    assert versions.trial() == (NEW, OLD, 3), "the old version says nothing about the new one"


async def test_the_core_greeting_it_confirms_a_new_version(
    core: CoreBench, state_dir: Path, versions: Versions
) -> None:
    versions.switch(NEW)
    stop = asyncio.Event()
    agent = asyncio.create_task(run_agent(state_dir, stop=stop, versions=watch(versions, NEW)))
    await core.engine.changes.until(lambda: core.engine.connects)
    await asyncio.to_thread(wait_for, lambda: versions.trial() is None)
    stop.set()
    await agent
    assert versions.current == NEW


async def test_a_new_version_that_its_core_does_not_greet_ends_so_that_it_can_be_taken_back(
    core: CoreBench, state_dir: Path, versions: Versions
) -> None:
    versions.switch(NEW)
    await core.hub.stop()
    with pytest.raises(NotGreeted, match=NEW):
        await run_agent(state_dir, stop=asyncio.Event(), versions=watch(versions, NEW, trial_s=0.3))
    assert versions.trial() == (NEW, OLD, 3)


async def test_one_that_is_not_on_trial_waits_for_its_core_for_good(
    core: CoreBench, state_dir: Path, versions: Versions
) -> None:
    await core.hub.stop()
    stop = asyncio.Event()
    agent = asyncio.create_task(run_agent(state_dir, stop=stop, versions=watch(versions, OLD, trial_s=0.0)))
    done, _ = await asyncio.wait({agent}, timeout=0.5)
    assert not done
    stop.set()
    await agent
