"""Scheduled backups that failed are tried again as their policy says, through a whole core."""

from datetime import timedelta

import pytest

from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.domain.policies import ContentRule
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView
from tests.engine.fake_agent import FakeAgent, back_up, failing
from tests.engine.moved_clock import MovedClock
from tests.engine.policies.nights import do_what_is_due, protect, scheduled, the_night_comes
from tests.engine.rig import Rig


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


async def test_a_backup_that_failed_is_tried_again(rig: Rig, clock: MovedClock) -> None:
    agent = await rig.agent()
    await protect(rig, retries=1, retry_delay_s=0)
    agent.on_backup = failing

    async def tried_twice() -> bool:
        await do_what_is_due(rig)
        found = await scheduled(rig)
        return len(found) == 2 and all(job.state.is_final for job in found)

    await the_night_comes(rig, clock)
    await rig.until(tried_twice)
    second, first = await scheduled(rig)
    assert second.retry_of == first.id
    assert second.attempt == 2
    await do_what_is_due(rig)
    assert len(await scheduled(rig)) == 2


async def test_files_are_tried_again_though_a_stream_of_the_same_server_went_well(rig: Rig, clock: MovedClock) -> None:
    agent = await rig.agent()
    await protect(rig, retries=1, retry_delay_s=0)
    await rig.client.put_rule("web", ContentRule(name="web", paths=("/srv",), streams=("orders=dump.sh",)))
    agent.files = {"/phoenix-streams/orders": b"rows"}

    async def only_streams(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
        assert isinstance(order, BackupOrder)
        await (failing if order.stream is None else back_up)(agent, order)

    agent.on_backup = only_streams
    for job in (await the_night_comes(rig, clock, 2), (await scheduled(rig))[1]):
        await rig.ended(job.id)

    async def tried_again() -> bool:
        await do_what_is_due(rig)
        return len(await scheduled(rig)) == 3

    await rig.until(tried_again)
    again, dump, files = await scheduled(rig)
    assert (dump.state, files.state, again.retry_of) == (JobState.SUCCESSFUL, JobState.FAILED, files.id)


async def test_it_is_tried_again_once_whatever_the_clock_does(rig: Rig, clock: MovedClock) -> None:
    agent = await rig.agent()
    await protect(rig, retries=1, retry_delay_s=0)
    agent.on_backup = failing
    job = await the_night_comes(rig, clock)
    clock.ahead -= timedelta(minutes=20)
    await rig.ended(job.id)
    for _ in range(3):
        await do_what_is_due(rig)
    assert len(await scheduled(rig)) == 2


async def tried_again(rig: Rig, job: JobView) -> JobView:
    """The one retry of a backup that failed, once it is over."""
    await rig.ended(job.id)
    await do_what_is_due(rig)
    (again,) = [each for each in await scheduled(rig) if each.retry_of == job.id]
    return await rig.ended(again.id)


@pytest.mark.parametrize("restarted", [False, True])
async def test_behind_a_clock_that_was_set_back_failed_backups_are_tried_again(
    rig: Rig, clock: MovedClock, restarted: bool
) -> None:
    """One of the time that the clock showed before, and one of the new time."""
    agent = await rig.agent()
    await protect(rig, retries=1, retry_delay_s=0)
    agent.on_backup = failing
    early = await the_night_comes(rig, clock)
    await rig.ended(early.id)
    clock.ahead -= timedelta(hours=25)
    if restarted:
        await rig.restart()
        await rig.until(lambda: rig.is_connected("web1"))
    again = await tried_again(rig, early)
    clock.move_to(2)
    await do_what_is_due(rig)
    (late,) = [job for job in await scheduled(rig) if job.id not in {early.id, again.id}]
    assert (await tried_again(rig, late)).attempt == 2
    await do_what_is_due(rig)
    assert len(await scheduled(rig)) == 4


async def test_a_retry_comes_after_its_delay_whatever_the_clock_does(rig: Rig, clock: MovedClock) -> None:
    agent = await rig.agent()
    await protect(rig, retries=1, retry_delay_s=1800)
    agent.on_backup = failing
    job = await the_night_comes(rig, clock)
    await rig.ended(job.id)
    for jump in (timedelta(hours=1), -timedelta(hours=2)):
        clock.ahead += jump
        await do_what_is_due(rig)
        assert len(await scheduled(rig)) == 1
    clock.let_pass(1800)
    assert (await tried_again(rig, job)).attempt == 2


async def failed_at_night(rig: Rig, clock: MovedClock, agent: FakeAgent, **fields: object) -> JobView:
    """A scheduled backup that failed at two, which it still is by the clock."""
    await protect(rig, **fields)
    agent.on_backup = failing
    clock.move_to(2)
    clock.halt()
    await do_what_is_due(rig)
    (job,) = await scheduled(rig)
    assert (await rig.ended(job.id)).state is JobState.FAILED
    return job


async def after(rig: Rig, clock: MovedClock, seconds: float) -> list[JobView]:
    """The scheduled backups, the newest first, so many seconds later."""
    clock.let_pass(seconds)
    await do_what_is_due(rig)
    return await scheduled(rig)


async def test_a_policy_tries_again_once_its_delay_is_over_and_no_sooner(rig: Rig, clock: MovedClock) -> None:
    agent = await rig.agent()
    job = await failed_at_night(rig, clock, agent, retries=2, retry_delay_s=600)
    assert len(await after(rig, clock, 599)) == 1
    second, _ = await after(rig, clock, 2)
    assert (second.retry_of, second.attempt) == (job.id, 2)
    await rig.ended(second.id)
    assert len(await after(rig, clock, 599)) == 2
    third, *_ = await after(rig, clock, 2)
    assert (third.retry_of, third.attempt) == (second.id, 3)
    await rig.ended(third.id)
    assert len(await after(rig, clock, 700)) == 3


async def test_while_its_window_is_closed_it_tries_nothing_again(rig: Rig, clock: MovedClock) -> None:
    agent = await rig.agent()
    job = await failed_at_night(rig, clock, agent, retries=1, retry_delay_s=600, window=("22:00-05:00",))
    assert len(await after(rig, clock, 3 * 3600)) == 1
    assert len(await after(rig, clock, 16 * 3600)) == 1
    second, _ = await after(rig, clock, 3600)
    assert second.retry_of == job.id


async def test_a_retry_that_was_skipped_since_its_agent_was_away_leaves_those_that_are_left(
    rig: Rig, clock: MovedClock
) -> None:
    agent = await rig.agent()
    await rig.client.set_setting("agent.grace_s", "0")
    job = await failed_at_night(rig, clock, agent, retries=2, retry_delay_s=600)
    await agent.stop()
    second, _ = await after(rig, clock, 601)
    ended = await rig.ended(second.id)
    assert (ended.state, ended.error.code if ended.error else "") == (JobState.SKIPPED, "agent_away")
    assert second.retry_of == job.id
    agent.on_backup = back_up
    await agent.start()
    await rig.until(lambda: rig.is_connected("web1"))
    assert len(await after(rig, clock, 598)) == 2
    third, *_ = await after(rig, clock, 3)
    assert (third.retry_of, third.attempt) == (second.id, 3)
    assert (await rig.ended(third.id)).state is JobState.SUCCESSFUL
    assert len(await after(rig, clock, 700)) == 3
