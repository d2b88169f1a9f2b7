"""What a job restores from or compares with isn't removed under its hands, by nobody."""

import asyncio

import pytest

from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.policies import BackupPolicy, Retention, ServerGroup
from phoenix_core.domain.requests import PruneRequest, RestoreRequest
from phoenix_core.domain.states import JobState
from tests.engine.fake_agent import FakeAgent, restore
from tests.engine.rig import Rig
from tests.engine.test_restore import backed_up


async def two_snapshots(rig: Rig, agent: FakeAgent) -> tuple[str, str]:
    """A group whose policy keeps the newest alone."""
    await rig.client.put_policy("few", BackupPolicy(name="few", retention=Retention(last=1)))
    await rig.client.put_group("all", ServerGroup(name="all", policy="few", servers=("web1",)))
    await rig.client.set_setting("snapshots.undo_days", "0")
    ids = []
    for content in (b"old" * 200_000, b"new" * 200_000):
        agent.files = {"/srv/file": content}
        await backed_up(rig, "web1")
        ids.append((await rig.client.snapshot("latest")).id)
    return ids[0], ids[1]


async def retention(rig: Rig) -> int:
    job = await rig.ended((await rig.client.apply_retention()).id)
    assert job.state is JobState.SUCCESSFUL, job.error
    return int(job.result["removed"])


async def test_a_snapshot_that_retention_is_about_to_remove_is_restored_whole(rig: Rig) -> None:
    """It stays while the restore waits for its agent and while it runs; then it goes."""
    agent = await rig.agent()
    old, _ = await two_snapshots(rig, agent)
    may_go_on = asyncio.Event()

    async def slow(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, RestoreOrder)
        await may_go_on.wait()
        await restore(agent, order)

    agent.on_restore = slow
    await agent.stop()
    waiting = await rig.client.restore(RestoreRequest(server="web1", snapshot=old))
    await rig.in_state(waiting.id, JobState.WAITING_FOR_AGENT)
    assert await retention(rig) == 0
    await agent.start()
    await rig.in_state(waiting.id, JobState.RUNNING)
    assert await retention(rig) == 0
    with pytest.raises(RemoteError, match=f"needed by job {waiting.id}") as error:
        await rig.client.remove_snapshot(old, typed=old[:12])
    assert f"phoenix job cancel {waiting.id}" in error.value.view().hint
    prune = await rig.client.prune(PruneRequest(execute=True))
    may_go_on.set()
    assert (await rig.ended(waiting.id)).state is JobState.SUCCESSFUL
    assert agent.restored == {"/srv/file": b"old" * 200_000}
    assert (await rig.ended(prune.id)).state is JobState.SUCCESSFUL
    assert await retention(rig) == 1
    assert old not in {each.id for each in await rig.client.snapshots()}


async def test_a_cancelled_restore_holds_nothing(rig: Rig) -> None:
    agent = await rig.agent()
    old, _ = await two_snapshots(rig, agent)
    await agent.stop()
    waiting = await rig.client.restore(RestoreRequest(server="web1", snapshot=old))
    await rig.in_state(waiting.id, JobState.WAITING_FOR_AGENT)
    await rig.client.cancel(waiting.id)
    assert await retention(rig) == 1
