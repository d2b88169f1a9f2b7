"""What becomes of jobs: waiting, cancelled, retried, one at a time, lost agents."""

import asyncio

import pytest

from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.reports import Progress
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.requests import BackupRequest, VerifyRequest
from phoenix_core.domain.states import JobKind, JobState, StepState
from phoenix_core.domain.views import JobView
from phoenix_core.host.process import HostFacts
from tests.engine.fake_agent import EITHER_SYSTEM, FakeAgent, back_up, deaf, failing, until_cancelled
from tests.engine.rig import Rig


async def start_backup(rig: Rig, server: str = "web1") -> JobView:
    return await rig.client.backup(BackupRequest(server=server, paths=("/srv",)))


async def working(rig: Rig, agent: FakeAgent, job: JobView) -> None:
    """Wait until the agent works on the job, and the core has heard so."""

    async def heard() -> bool:
        steps = {step.id: step.state for step in (await rig.client.job(job.id)).steps}
        return StepState.DONE in {steps.get("WF4.1"), steps.get("WF5.1")}

    await rig.until(heard)


@EITHER_SYSTEM
async def test_a_backup_of_an_agent_that_is_away_waits_and_starts_once_it_is_there(rig: Rig, facts: HostFacts) -> None:
    agent = await rig.agent(facts=facts)
    await agent.stop()
    await rig.until(lambda: disconnected(rig))
    job = await start_backup(rig)
    await rig.in_state(job.id, JobState.WAITING_FOR_AGENT)
    await agent.start()
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    assert any("not connected" in line.text for line in await rig.client.job_log(job.id))


async def disconnected(rig: Rig) -> bool:
    return not (await rig.client.server("web1")).connected


async def test_backups_of_one_server_run_one_at_a_time_in_order(rig: Rig) -> None:
    agent = await rig.agent()
    gate = asyncio.Event()

    async def gated(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        await gate.wait()
        await back_up(agent, order)

    agent.on_backup = gated
    first = await start_backup(rig)
    second = await start_backup(rig)
    await rig.in_state(first.id, JobState.RUNNING)
    assert (await rig.client.job(second.id)).state is JobState.QUEUED
    gate.set()
    assert (await rig.ended(first.id)).state is JobState.SUCCESSFUL
    assert (await rig.ended(second.id)).state is JobState.SUCCESSFUL
    assert [order.job for order in agent.orders] == [first.id, second.id]
    assert isinstance(agent.orders[1], BackupOrder)
    assert agent.orders[1].parent is not None


async def test_a_waiting_job_is_cancelled_at_once(rig: Rig) -> None:
    agent = await rig.agent()
    await agent.stop()
    await rig.until(lambda: disconnected(rig))
    job = await start_backup(rig)
    cancelled = await rig.client.cancel(job.id)
    assert cancelled.state is JobState.CANCELLED
    assert cancelled.error is not None
    assert cancelled.error.exit_code == 130
    assert f"phoenix job retry {job.id}`" in cancelled.error.hint
    assert all(step.state is StepState.SKIPPED for step in (await rig.client.job(job.id)).steps)
    with pytest.raises(RemoteError, match="is over"):
        await rig.client.cancel(job.id)


async def test_a_running_job_is_cancelled_through_its_agent(rig: Rig) -> None:
    agent = await rig.agent()
    agent.on_backup = until_cancelled
    job = await start_backup(rig)
    await working(rig, agent, job)
    assert (await rig.client.cancel(job.id)).state is JobState.RUNNING
    done = await rig.ended(job.id)
    assert done.state is JobState.CANCELLED
    assert done.error is not None
    assert f"phoenix job retry {job.id}`" in done.error.hint
    assert not await asyncio.to_thread(rig.node().leases)


async def test_an_agent_that_does_not_stop_in_time_loses_its_job(rig: Rig) -> None:
    agent = await rig.agent()
    agent.on_backup = deaf
    await rig.client.set_setting("agent.cancel_grace_s", "0.2")
    job = await start_backup(rig)
    await working(rig, agent, job)
    await rig.client.cancel(job.id)
    assert (await rig.ended(job.id)).state is JobState.CANCELLED
    assert not await asyncio.to_thread(rig.node().leases)


async def test_a_failed_job_keeps_the_error_and_can_be_tried_again(rig: Rig) -> None:
    agent = await rig.agent()
    agent.on_backup = failing
    job = await start_backup(rig)
    failed = await rig.ended(job.id)
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert "the disk burns" in failed.error.message
    agent.on_backup = back_up
    again = await rig.client.retry(job.id)
    assert again.retry_of == job.id
    assert again.attempt == 2
    assert again.title == failed.title
    assert (await rig.ended(again.id)).state is JobState.SUCCESSFUL


async def test_a_running_job_can_not_be_tried_again(rig: Rig) -> None:
    agent = await rig.agent()
    agent.on_backup = until_cancelled
    job = await start_backup(rig)
    await working(rig, agent, job)
    with pytest.raises(RemoteError) as refused:
        await rig.client.retry(job.id)
    assert refused.value.view().code == "conflict"
    await rig.client.cancel(job.id)


async def test_an_agent_that_comes_back_within_the_grace_keeps_its_job(rig: Rig) -> None:
    agent = await rig.agent()
    gate = asyncio.Event()

    async def gated(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        await agent.step(order.job, "WF5.1")
        await gate.wait()
        await back_up(agent, order)

    agent.on_backup = gated
    job = await start_backup(rig)
    await working(rig, agent, job)
    for done in (1000, 2000):
        agent.link.progress(Progress(job=job.id, phase="transfer", bytes_done=done, bytes_total=3000, eta_s=1.0))

    async def progressed() -> bool:
        progress = (await rig.client.job(job.id)).progress
        return progress is not None and progress.bytes_done == 2000 and progress.eta_s == 1

    await rig.until(progressed)
    await agent.disconnect()

    async def stalled() -> bool:
        progress = (await rig.client.job(job.id)).progress
        return progress is not None and progress.eta_s < 0 and progress.bytes_per_s == 0

    await rig.until(stalled)
    lost = "The connection to the agent of web1 is lost; it is waited for up to 60 s."
    shown = await rig.client.job(job.id)
    assert (shown.state, shown.held_up) == (JobState.RUNNING, lost)
    assert [each.held_up for each in await rig.client.jobs()] == [lost]
    await agent.start()
    gate.set()
    ended = await rig.ended(job.id)
    assert (ended.state, ended.held_up) == (JobState.SUCCESSFUL, "")
    told = [line.text for line in await rig.client.job_log(job.id) if line.level == "warning"]
    assert told == [lost, "The agent of web1 is back."]
    assert [order.job for order in agent.orders] == [job.id]
    assert agent.known[-1].wanted == (job.id,)


async def test_an_agent_that_stays_away_loses_its_job_after_the_grace(rig: Rig) -> None:
    agent = await rig.agent()
    agent.on_backup = deaf
    await rig.client.set_setting("agent.grace_s", "0.3")
    job = await start_backup(rig)
    await working(rig, agent, job)
    await agent.stop()
    done = await rig.ended(job.id)
    assert done.state is JobState.ABORTED
    assert done.error is not None
    assert done.error.message == "The agent of web1 did not come back within 0.3 s."
    assert "on web1" in done.error.hint
    assert f"`phoenix job retry {job.id}`; what was uploaded is used again." in done.error.hint
    assert not await asyncio.to_thread(rig.node().leases)


@EITHER_SYSTEM
async def test_an_agent_that_was_started_again_has_lost_its_job(rig: Rig, facts: HostFacts) -> None:
    agent = await rig.agent(facts=facts)
    agent.on_backup = deaf
    await rig.client.set_setting("agent.grace_s", "0.5")
    job = await start_backup(rig)
    await working(rig, agent, job)
    await agent.stop()
    await agent.start()
    done = await rig.ended(job.id)
    assert done.state is JobState.ABORTED
    assert done.error is not None
    assert "started again" in done.error.message
    agent.on_backup = back_up
    again = await rig.ended((await start_backup(rig)).id)
    assert (again.state, again.retry_of) == (JobState.SUCCESSFUL, "")


async def test_an_agent_that_works_on_a_job_nobody_wants_is_told(rig: Rig) -> None:
    agent = await rig.agent()
    agent.on_backup = deaf
    await rig.client.set_setting("agent.cancel_grace_s", "0.1")
    job = await start_backup(rig)
    await working(rig, agent, job)
    await rig.client.cancel(job.id)
    await rig.ended(job.id)
    await agent.disconnect()
    await agent.start()
    assert agent.known[-1].wanted == ()


async def test_other_jobs_wait_for_an_exclusive_one_and_it_for_them(rig: Rig) -> None:
    agent = await rig.agent()
    agent.on_backup = until_cancelled
    backup = await start_backup(rig)
    await working(rig, agent, backup)
    rebuild = await rig.client.rebuild_index()
    verify = await rig.client.verify(VerifyRequest())
    assert (await rig.client.job(rebuild.id)).state is JobState.QUEUED
    assert (await rig.client.job(verify.id)).state is JobState.QUEUED
    await rig.client.cancel(backup.id)
    assert (await rig.ended(rebuild.id)).state is JobState.SUCCESSFUL
    assert (await rig.ended(verify.id)).state is JobState.SUCCESSFUL


async def test_lists_of_jobs_are_filtered_and_paged(rig: Rig) -> None:
    await rig.agent()
    ids = []
    for _ in range(3):
        job = await start_backup(rig)
        await rig.ended(job.id)
        ids.append(job.id)
    verify = await rig.client.verify()
    await rig.ended(verify.id)
    newest_first = [verify.id, *reversed(ids)]
    assert [job.id for job in await rig.client.jobs()] == newest_first
    first = await rig.client.jobs(limit=2)
    second = await rig.client.jobs(limit=2, before=first[-1].id)
    assert [job.id for job in (*first, *second)] == newest_first
    assert [job.id for job in await rig.client.jobs(kind=JobKind.VERIFY)] == [verify.id]
    assert [job.id for job in await rig.client.jobs(server="web1", state="finished")] == newest_first[1:]
    assert await rig.client.jobs(state="active") == []
    assert (await rig.client.job(verify.id[:6])).id == verify.id


async def test_removing_a_server_ends_its_jobs_and_its_connection(rig: Rig) -> None:
    agent = await rig.agent()
    agent.on_backup = until_cancelled
    job = await start_backup(rig)
    await working(rig, agent, job)
    removed = await rig.client.remove_server("web1", typed="web1")
    assert removed.revoked
    assert (await rig.ended(job.id)).state is JobState.CANCELLED
    with pytest.raises(RemoteError) as refused:
        await start_backup(rig)
    assert refused.value.view().code == "server_removed"
    assert agent.link.last_error is not None
