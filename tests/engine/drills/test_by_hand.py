"""Drills by hand: what they prove, and what becomes of those that prove nothing."""

import asyncio
import os
from datetime import timedelta

import pytest

from phoenix_core.agent.drill.errors import NoSpaceForDrill
from phoenix_core.agentlink.drillmessages import SCRATCH_DESTINATION
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import JobFailed, RestoreResult
from phoenix_core.domain.drills import DrillOutcome, DrillRequest
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.states import JobState
from phoenix_core.host.process import HostFacts
from tests.engine.drilling import drill, finding
from tests.engine.drills.drilled import SOUND, drilled, refused
from tests.engine.fake_agent import FakeAgent, restore, until_cancelled
from tests.engine.moved_clock import MovedClock
from tests.engine.rig import Rig
from tests.engine.test_vault_jobs import backed_up, break_pack, proved


async def test_what_was_backed_up_is_restored_checked_and_the_proof_is_kept(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    backup = await backed_up(rig)
    (before,) = await rig.client.servers()
    assert (before.last_proof_at, before.proof_due) == (None, True)
    job = await drilled(rig)
    assert job.state is JobState.SUCCESSFUL, job.error
    assert (job.result["files"], job.result["failures"]) == (2, 0)
    order = agent.orders[-1]
    assert isinstance(order, RestoreOrder)
    assert order.destination == SCRATCH_DESTINATION
    assert not order.destination.startswith(b"/")
    assert set(order.paths) == {b"/srv/hello", b"/srv/deep/er/file"}
    (proof,) = await rig.client.drills("web1")
    assert (proof.id, proof.outcome, proof.snapshot_id) == (job.id, DrillOutcome.PROVED, backup.snapshot_id)
    assert (proof.files, proof.bytes) == (2, 17_000)
    assert proof.sample == "100 files, at most 1.0 GiB"
    assert proof.seed == job.result["seed"] != ""
    (server,) = await rig.client.servers()
    assert (server.last_proof_at, server.proof_due) == (proof.ended_at, False)
    assert "within 35 days" in await finding_of(rig, "ok")
    clock.ahead += timedelta(days=36)
    (server,) = await rig.client.servers()
    assert server.proof_due
    assert "`phoenix drill run web1`" in await finding_of(rig, "warning")
    assert not await asyncio.to_thread(rig.node().leases)


async def finding_of(rig: Rig, state: str) -> str:
    (found,) = [each for each in await rig.client.doctor() if each.subject == "restore drills"]
    assert found.state == state
    return f"{found.text} {found.hint}"


async def test_the_proof_stays_when_snapshot_and_core_are_gone(rig: Rig, agent: FakeAgent) -> None:
    agent.on_restore = finding(SOUND)
    backup = await backed_up(rig)
    job = await drilled(rig)
    await rig.remove(backup.snapshot_id)
    await rig.restart()
    assert (await rig.client.drill(job.id[:6])).snapshot_id == backup.snapshot_id
    with pytest.raises(RemoteError, match="drill named nothere"):
        await rig.client.drill("nothere")


async def test_of_a_damaged_snapshot_the_failed_drill_names_the_files(rig: Rig, agent: FakeAgent) -> None:
    agent.files = {"/srv/a": os.urandom(300_000)}
    await backed_up(rig)
    await proved(rig)
    await break_pack(rig, "data")
    job = await drilled(rig)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == "drill_failed"
    assert "/srv/a (its data in the vault is damaged)" in job.error.message
    assert [(each.path, each.reason) for each in job.missing] == [("/srv/a", "damaged")]
    (proof,) = await rig.client.drills()
    assert proof.outcome is DrillOutcome.FAILED
    assert proof.failures[0].path == "/srv/a"
    (server,) = await rig.client.servers()
    assert server.last_proof_at is None


async def test_of_a_snapshot_with_a_damaged_tree_the_drill_fails_too(rig: Rig, agent: FakeAgent) -> None:
    """What is below it can't be sampled, so the folder itself is tried."""
    await backed_up(rig)
    await proved(rig)
    await break_pack(rig, "meta")
    job = await drilled(rig)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == "drill_failed", job.error
    assert job.missing_count >= 1


async def test_a_lost_snapshot_is_a_failed_drill(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    job = await rig.client.run_drill(DrillRequest(server="web1"))
    await rig.ended(job.id)
    (snapshot,) = await rig.client.snapshots()
    await asyncio.to_thread((rig.data.vault / "snapshots" / snapshot.id).unlink)
    lost = await rig.ended((await rig.client.retry(job.id)).id)
    assert lost.state is JobState.FAILED
    assert lost.error is not None
    assert lost.error.code == "snapshot_lost"
    assert [each.outcome for each in await rig.client.drills()] == [DrillOutcome.FAILED, DrillOutcome.PROVED]


async def test_a_snapshot_that_was_removed_before_another_try_is_said(rig: Rig, agent: FakeAgent) -> None:
    """While a drill waits for it, it isn't removed; once that is cancelled it can be."""
    backup = await backed_up(rig)
    await agent.stop()
    job = await rig.client.run_drill(DrillRequest(server="web1", snapshot=backup.snapshot_id))
    await rig.in_state(job.id, JobState.WAITING_FOR_AGENT)
    with pytest.raises(RemoteError, match=f"needed by job {job.id}"):
        await rig.remove(backup.snapshot_id)
    await rig.client.cancel(job.id)
    assert (await rig.remove(backup.snapshot_id)).state is JobState.SUCCESSFUL
    await agent.start()
    done = await rig.ended((await rig.client.retry(job.id)).id)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert done.error.code == "not_found"


async def test_the_newest_snapshot_isn_t_removed_while_a_drill_that_took_it_restores_it(
    rig: Rig, agent: FakeAgent
) -> None:
    backup = await backed_up(rig)
    begun, going_on = asyncio.Event(), asyncio.Event()

    async def slowly(agent: FakeAgent, order: object) -> None:
        begun.set()
        await going_on.wait()
        await drill(agent, order)  # type: ignore[arg-type]

    agent.on_restore = slowly
    job = await rig.client.run_drill(DrillRequest(server="web1"))
    await asyncio.wait_for(begun.wait(), 20)
    with pytest.raises(RemoteError, match=f"needed by job {job.id}"):
        await rig.client.remove_snapshot(backup.snapshot_id, typed=backup.snapshot_id[:12])
    going_on.set()
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert (await rig.remove(backup.snapshot_id)).state is JobState.SUCCESSFUL


async def test_a_cancelled_drill_proves_nothing_and_says_so(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    agent.on_restore = until_cancelled
    job = await rig.client.run_drill(DrillRequest(server="web1"))
    await rig.in_state(job.id, JobState.RUNNING)
    await rig.until(lambda: len(agent.orders) == 2)
    await rig.client.cancel(job.id)
    assert (await rig.ended(job.id)).state is JobState.CANCELLED
    (proof,) = await rig.client.drills()
    assert proof.outcome is DrillOutcome.BROKEN_OFF
    assert proof.detail.startswith("Cancelled by ")


async def test_a_drill_without_space_proves_nothing_and_says_so(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)

    async def full(agent: FakeAgent, order: RestoreOrder) -> None:
        error = NoSpaceForDrill(place="/var/lib/phoenix/agent/drill", needed="9 GiB", free="1 GiB")
        await agent.report(order.job, JobFailed(error=error.view()))

    agent.on_restore = full  # type: ignore[assignment]
    job = await drilled(rig, sample="all")
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == "no_space_for_drill"
    (proof,) = await rig.client.drills()
    assert (proof.outcome, proof.sample) == (DrillOutcome.BROKEN_OFF, "all")
    assert "needs 9 GiB" in proof.detail


async def test_an_agent_of_an_earlier_release_is_told_apart(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    agent.can = ()
    await agent.stop()
    await agent.start()
    job = await drilled(rig)
    assert job.error is not None
    assert job.error.code == "agent_without_drills"
    assert len(agent.orders) == 1  # the backup's


async def test_one_that_restores_and_checks_nothing_proves_nothing(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    agent.on_restore = restore
    job = await drilled(rig)
    assert job.state is JobState.ABORTED
    (proof,) = await rig.client.drills()
    assert proof.outcome is DrillOutcome.BROKEN_OFF


async def test_a_restart_of_the_core_during_a_drill_goes_on_with_it(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    going_on = asyncio.Event()

    async def slowly(agent: FakeAgent, order: RestoreOrder) -> None:
        await agent.step(order.job, "WF6.3")
        await going_on.wait()
        await agent.report(order.job, RestoreResult(drill=SOUND))

    agent.on_restore = slowly  # type: ignore[assignment]
    job = await rig.client.run_drill(DrillRequest(server="web1"))
    await rig.until(lambda: len(agent.orders) == 2)
    await rig.restart()
    going_on.set()
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert [each.outcome for each in await rig.client.drills()] == [DrillOutcome.PROVED]


# --- another server's agent -------------------------------------------------------------------------------------------


async def test_a_server_of_the_same_family_may_restore(rig: Rig, agent: FakeAgent) -> None:
    other = await rig.agent("web2")
    other.on_restore = drill
    await backed_up(rig)
    job = await drilled(rig, on="web2")
    assert job.state is JobState.SUCCESSFUL, job.error
    assert job.title == "Restore drill of web1 on web2"
    (proof,) = await rig.client.drills()
    assert (proof.server_name, proof.agent_name) == ("web1", "web2")
    assert len(other.orders) == 1


async def test_one_of_another_family_may_not(rig: Rig, agent: FakeAgent) -> None:
    await rig.agent("win1", HostFacts(hostname="win1", platform="Windows Server 2022", machine_id="1" * 32))
    await backed_up(rig)
    assert (await refused(rig, on="win1")).view().code == "platform_mismatch"


async def test_what_can_t_be_drilled_is_refused_at_once(rig: Rig, agent: FakeAgent) -> None:
    assert (await refused(rig)).view().code == "no_snapshot"
    await backed_up(rig)
    assert (await refused(rig, sample="many")).view().code == "bad_sample"
    assert (await refused(rig, sample="0")).view().code == "bad_sample"
    assert (await refused(rig, server="nobody")).view().code == "not_found"
    assert (await refused(rig, on="nobody")).view().code == "not_found"
