"""What a policy or an operator wants of snapshots reaches the agent; one that can't make them isn't asked."""

import pytest

from phoenix_core.agentlink import features
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.sourcesnapshots import SourceSnapshotOrder
from phoenix_core.domain.policies import BackupPolicy, ContentRule, ServerGroup
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView
from tests.engine.rig import Rig


async def protect(rig: Rig, wanted: SourceSnapshot) -> None:
    await rig.client.put_policy("by hand", BackupPolicy(name="by hand", source_snapshot=wanted))
    await rig.client.put_rule("web", ContentRule(name="web", paths=("/srv",)))
    await rig.client.put_group("web", ServerGroup("web", policy="by hand", rules=("web",), servers=("web1",)))


async def back_up(rig: Rig, wanted: SourceSnapshot | None = None) -> JobView:
    job = await rig.client.backup(BackupRequest("web1", ("/srv",), source_snapshot=wanted))
    return await rig.ended(job.id)


async def test_the_order_says_what_the_policy_says_unless_the_operator_says_more(rig: Rig) -> None:
    agent = await rig.agent()

    async def ordered(wanted: SourceSnapshot | None = None) -> SourceSnapshotOrder | None:
        assert (await back_up(rig, wanted)).state is JobState.SUCCESSFUL
        order = agent.orders[-1]
        assert isinstance(order, BackupOrder)
        return order.source_snapshot

    assert await ordered() is None
    assert await ordered(SourceSnapshot.REQUIRED) == SourceSnapshotOrder(SourceSnapshot.REQUIRED, 15)
    await rig.client.set_setting("backup.lvm_snapshot_percent", "30")
    await protect(rig, SourceSnapshot.IF_AVAILABLE)
    assert await ordered() == SourceSnapshotOrder(SourceSnapshot.IF_AVAILABLE, 30)
    assert await ordered(SourceSnapshot.OFF) is None


async def test_an_older_agent_gets_no_order_that_it_would_not_understand(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "ALL", ())
    agent = await rig.agent()
    await protect(rig, SourceSnapshot.REQUIRED)
    failed = await back_up(rig)
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert failed.error.code == "agent_without_snapshots"
    assert agent.orders == []
    done = await back_up(rig, SourceSnapshot.IF_AVAILABLE)
    assert done.state is JobState.SUCCESSFUL
    told = [line.text for line in await rig.client.job_log(done.id)]
    assert any("Live files are read" in text for text in told)
