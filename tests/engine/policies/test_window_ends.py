"""What becomes of backups when their policy's window ends, and of what they had sent."""

import asyncio

import pytest

from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.agentlink.reports import JobCancelled
from phoenix_core.domain.alerts import AlertKind, AlertView, Severity
from phoenix_core.domain.policies import ServerGroup
from phoenix_core.domain.requests import PruneRequest
from phoenix_core.domain.states import JobKind, JobState, StepState
from phoenix_core.domain.views import JobView
from tests.engine.fake_agent import FakeAgent, back_up, until_cancelled
from tests.engine.moved_clock import MovedClock
from tests.engine.policies.nights import do_what_is_due, protect, scheduled, the_night_comes
from tests.engine.rig import Rig

WINDOW = ("22:00-05:00",)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


async def the_window_ends(rig: Rig, clock: MovedClock) -> list[JobView]:
    """The scheduled backups, which it stops."""
    clock.move_to(5)
    await do_what_is_due(rig)
    return [await rig.ended(job.id) for job in await scheduled(rig)]


async def packs(rig: Rig) -> dict[bytes, int]:
    found = await asyncio.to_thread(lambda: list(rig.node().packs()))
    return {info.pack_id: info.bytes for info in found}


async def stopped(rig: Rig, clock: MovedClock, agent: FakeAgent) -> JobView:
    """A backup that has sent all of its packs when its window ends."""
    sent = asyncio.Event()

    async def send(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
        assert isinstance(order, BackupOrder)
        await agent.step(order.job, "WF5.1")
        await agent.upload(order)
        sent.set()
        await agent.cancelled[order.job].wait()
        await agent.report(order.job, JobCancelled(who="core"))

    agent.on_backup = send
    await the_night_comes(rig, clock)
    await asyncio.wait_for(sent.wait(), 20)
    (ended,) = await the_window_ends(rig, clock)
    assert ended.state is JobState.CANCELLED
    agent.on_backup = back_up
    return ended


@pytest.mark.parametrize("pruned", [False, True])
async def test_what_a_stopped_backup_sent_is_not_sent_again_the_next_night(
    rig: Rig, clock: MovedClock, pruned: bool
) -> None:
    agent = await rig.agent()
    await protect(rig, window=WINDOW)
    await rig.client.set_setting("prune.schedule", "daily at 07:00" if pruned else "off")
    await do_what_is_due(rig)
    await stopped(rig, clock, agent)
    sent = await packs(rig)
    assert sent
    if pruned:
        clock.move_to(7)
        await do_what_is_due(rig)
        (prune,) = await rig.client.jobs(kind=JobKind.PRUNE)
        result = (await rig.ended(prune.id)).result
        assert (result["stopped_packs"], result["stopped_bytes"], result["unused_packs"]) == (
            len(sent),
            sum(sent.values()),
            0,
        )
        assert await packs(rig) == sent
    again = await rig.ended((await the_night_comes(rig, clock, 2)).id)
    assert (again.state, again.result["packs"]) == (JobState.SUCCESSFUL, 0)
    assert await packs(rig) == sent


async def test_an_operator_s_prune_takes_it_and_its_plan_says_how_much_that_is(rig: Rig, clock: MovedClock) -> None:
    agent = await rig.agent()
    await protect(rig, window=WINDOW)
    await stopped(rig, clock, agent)
    sent = await packs(rig)
    plan = await rig.ended((await rig.client.prune(PruneRequest())).id)
    assert (plan.result["unused_packs"], plan.result["stopped_packs"]) == (len(sent), len(sent))
    assert any("of backups that were stopped" in line.text for line in await rig.client.job_log(plan.id))
    await rig.ended((await rig.client.prune(PruneRequest(execute=True))).id)
    assert await packs(rig) == {}


async def test_one_that_is_still_queued_ends_as_well_and_both_are_warnings(rig: Rig, clock: MovedClock) -> None:
    agents = {name: await rig.agent(name) for name in ("web1", "web2")}
    await protect(rig, window=WINDOW)
    await rig.client.put_group("web", ServerGroup("web", "nightly", ("web",), tuple(agents)))
    await rig.client.set_setting("jobs.at_once", "1")
    for agent in agents.values():
        agent.on_backup = until_cancelled
    await the_night_comes(rig, clock, 2)
    await rig.until(lambda: any(agent.orders for agent in agents.values()))
    both = await the_window_ends(rig, clock)
    assert [job.state for job in both] == [JobState.CANCELLED] * 2
    for job in both:
        assert job.error is not None
        assert "the end of the backup window of policy nightly" in job.error.message
    (queued,) = [job for job in both if job.started_at is None]
    assert {step.state for step in queued.steps} == {StepState.SKIPPED}
    assert agents[queued.server_name].orders == []
    await do_what_is_due(rig)
    assert await rig.client.jobs(state="active") == []

    async def alerts() -> dict[str, AlertView]:
        return {each.subject: each for each in await rig.client.alerts() if each.kind is AlertKind.BACKUP_STOPPED}

    async def told() -> bool:
        return (await alerts()).keys() == agents.keys()

    await rig.until(told)
    for name, alert in (await alerts()).items():
        assert alert.severity is Severity.WARNING
        words = "was still queued at" if name == queued.server_name else "was stopped at"
        assert f"The last scheduled backup of {name} {words} the end of its backup window" in alert.text
    for agent in agents.values():
        agent.on_backup = back_up
    await the_night_comes(rig, clock, 4)
    for job in await scheduled(rig):
        await rig.ended(job.id)

    async def over() -> bool:
        return await alerts() == {}

    await rig.until(over)
