"""What a stolen agent gets by handing over dumps: through a whole core, on a clock that is moved on."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.agentlink.ownstream import OwnStreamAnswer, OwnStreamRequest
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.policies import BackupPolicy, Retention, ServerGroup
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView
from tests.engine.fake_agent import FakeAgent, back_up
from tests.engine.moved_clock import MovedClock
from tests.engine.rig import Rig


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    made = await rig.agent()
    made.files = {"/phoenix-streams/orders": b"rows"}
    return made


async def ask(agent: FakeAgent, token: str, name: str = "orders") -> OwnStreamAnswer:
    request = OwnStreamRequest(number=0, token=token, name=name)
    return await asyncio.to_thread(agent.link.request_blocking, request)


async def hands_over(rig: Rig, agent: FakeAgent, token: str) -> JobView:
    return await rig.ended((await ask(agent, token)).job)


async def hand_over(rig: Rig, agent: FakeAgent, *tokens: str) -> list[str]:
    """Ids of the snapshots."""
    done = [await hands_over(rig, agent, token) for token in tokens]
    assert {each.state for each in done} == {JobState.SUCCESSFUL}
    return [each.snapshot_id for each in done]


async def order(rig: Rig) -> str:
    request = BackupRequest(server="web1", stream="orders", script="dump.sh")
    done = await rig.ended((await rig.client.backup(request)).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return done.snapshot_id


async def keep(rig: Rig, retention: Retention) -> None:
    await rig.client.put_policy("p", BackupPolicy(name="p", retention=retention))
    await rig.client.put_group("g", ServerGroup(name="g", policy="p", servers=("web1",)))


async def left(rig: Rig) -> set[str]:
    """After a run of retention."""
    done = await rig.ended((await rig.client.apply_retention()).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return {each.id for each in await rig.client.snapshots()}


async def test_a_flood_of_dumps_pushes_out_none_of_the_days_before(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    await keep(rig, Retention(last=3))
    good: list[str] = []
    for day in range(3):
        clock.move_to(2)
        good += await hand_over(rig, agent, f"good{day}")
    flood = await hand_over(rig, agent, *(f"thief{number}" for number in range(4)))
    assert await left(rig) == {*good, *flood}
    plan = {each.snapshot_id: each for each in await rig.client.retention_of("p")}
    assert all(each.handed for each in plan.values())
    assert [plan[snapshot].reasons for snapshot in good] == [
        ("last 3 (by day)",), ("last 2 (by day)",), ("last 1 (by day)",)
    ]  # fmt: skip

    clock.move_to(2)
    flood += await hand_over(rig, agent, "thief4", "thief5")
    assert await left(rig) == {*good[1:], *flood}
    assert [each.id for each in await rig.client.snapshots(removed=True)] == good[:1]
    await rig.client.undelete_snapshot(good[0])
    assert good[0] in {each.id for each in await rig.client.snapshots()}


async def test_nor_any_that_the_core_ordered(rig: Rig, agent: FakeAgent) -> None:
    ordered = [await order(rig) for _ in range(3)]
    flood = await hand_over(rig, agent, *(f"thief{number}" for number in range(4)))
    await keep(rig, Retention(last=2))
    assert await left(rig) == {*ordered[1:], *flood}
    told = {each.snapshot_id: each.reasons for each in await rig.client.retention_of("p") if not each.handed}
    assert told == {ordered[2]: ("newest", "last 1"), ordered[1]: ("last 2",)}


def saying(*paths: bytes) -> Callable[[FakeAgent, BackupOrder | RestoreOrder], Awaitable[None]]:
    """A backup that says it is of these."""

    async def script(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
        assert isinstance(order, BackupOrder)
        await agent.report(order.job, await agent.upload(msgspec.structs.replace(order, paths=paths)))

    return script


@pytest.mark.parametrize("paths", [(b"/srv",), (b"/phoenix-streams/users",), (b"/phoenix-streams/orders", b"/srv")])
async def test_what_is_handed_over_is_no_backup_of_anything_else(
    rig: Rig, agent: FakeAgent, paths: tuple[bytes, ...]
) -> None:
    agent.on_backup = saying(*paths)
    done = await hands_over(rig, agent, "thief")
    assert done.error is not None
    assert (done.state, done.error.code) == (JobState.FAILED, "commit_refused")
    assert await rig.client.snapshots() == []
    agent.on_backup = back_up
    assert (await hands_over(rig, agent, "good")).state is JobState.SUCCESSFUL


async def test_an_agent_has_so_many_a_day(rig: Rig, agent: FakeAgent, clock: MovedClock) -> None:
    await rig.client.set_setting("streams.handed_per_day", "2")
    await hand_over(rig, agent, "t1", "t2")
    with pytest.raises(RemoteError) as error:
        await ask(agent, "t3", "another")
    assert error.value.view().code == "streams_of_day_used_up"
    assert "2 streams since midnight" in error.value.view().message
    assert (await ask(agent, "t2")).is_over  # asked again, it is the same one
    other = await rig.agent("web2")
    await ask(other, "t1")
    clock.move_to(0, 1)
    await hand_over(rig, agent, "t3")
    await ask(agent, "t4")
    await rig.client.set_setting("streams.handed_per_day", "0")
    await ask(agent, "t5", "another")
