"""Groups get the free places in turn."""

import asyncio
from datetime import UTC, datetime, timedelta

from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.policies import ServerGroup
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.fairness import in_turn
from tests.engine.fake_agent import back_up
from tests.engine.rig import Rig

START = datetime(2030, 1, 1, tzinfo=UTC)


def job(name: str, at: int) -> JobRow:
    """`a3`: the third of group a."""
    when = START + timedelta(seconds=at)
    return JobRow(name, JobKind.FILE_BACKUP, JobState.QUEUED, name, name, name, "root", when, "{}")


def order(waiting: str, running: str = "") -> str:
    jobs = [job(name, at) for at, name in enumerate(waiting.split())]
    found = in_turn(jobs, [job(name, 0) for name in running.split()], lambda each: each.id[0])
    return " ".join(each.id for each in found)


def test_groups_come_in_turn_and_within_one_the_oldest_first() -> None:
    assert order("a1 a2 a3 a4 b1 b2 c1") == "a1 b1 c1 a2 b2 a3 a4"


def test_what_runs_counts() -> None:
    assert order("a3 a4 b1", running="a1 a2") == "b1 a3 a4"


def test_one_group_keeps_its_order() -> None:
    assert order("a2 a1 a3") == "a2 a1 a3"


async def test_no_more_run_at_once_than_the_setting_says(rig: Rig) -> None:
    gate, two_work = asyncio.Event(), asyncio.Event()
    running = most = 0

    async def gated(agent: object, order: object) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            two_work.set()
        await gate.wait()
        await back_up(agent, order)  # type: ignore[arg-type]
        running -= 1

    names = ("a1", "a2", "a3", "b1")
    for name in names:
        (await rig.agent(name)).on_backup = gated
    await rig.client.put_group("a", ServerGroup("a", servers=("a1", "a2", "a3")))
    await rig.client.put_group("b", ServerGroup("b", servers=("b1",)))
    await rig.client.set_setting("jobs.at_once", "2")
    jobs = {name: await rig.client.backup(BackupRequest(server=name, paths=("/srv",))) for name in names}
    for name in ("a1", "a2"):
        await rig.in_state(jobs[name].id, JobState.RUNNING)
    await asyncio.wait_for(two_work.wait(), 20)  # a job runs before its agent has the order
    assert (await rig.client.job(jobs["a3"].id)).state is JobState.QUEUED
    gate.set()
    ended = [await rig.ended(each.id) for each in jobs.values()]
    assert {each.state for each in ended} == {JobState.SUCCESSFUL}
    assert most == 2
    begun = sorted(ended, key=lambda each: each.started_at or START)
    assert begun[2].server_name == "b1"


async def test_a_job_that_something_is_in_the_way_of_takes_no_turn_of_its_group(rig: Rig) -> None:
    """The second backup of a1 waits for the first, whatever places are free; the next of its group goes meanwhile."""
    gate = asyncio.Event()

    async def gated(agent: object, order: object) -> None:
        await gate.wait()
        await back_up(agent, order)  # type: ignore[arg-type]

    for name in ("a1", "a2", "b1", "b2"):
        (await rig.agent(name)).on_backup = gated
    await rig.client.put_group("a", ServerGroup("a", servers=("a1", "a2")))
    await rig.client.put_group("b", ServerGroup("b", servers=("b1", "b2")))
    await rig.client.set_setting("jobs.at_once", "1")
    names = ("a1", "a1", "a2", "b1", "b2")
    first, second, *others = [await rig.client.backup(BackupRequest(server=name, paths=("/srv",))) for name in names]
    await rig.in_state(first.id, JobState.RUNNING)
    await rig.client.set_setting("jobs.at_once", "3")
    a2, b1, b2 = others
    for each in (a2, b1):
        await rig.in_state(each.id, JobState.RUNNING)
    for each in (second, b2):
        assert (await rig.client.job(each.id)).state is JobState.QUEUED
    gate.set()
    assert {(await rig.ended(each.id)).state for each in (first, second, *others)} == {JobState.SUCCESSFUL}
