"""A core that is started again: jobs are picked up or aborted, commits finished, snapshots what the vault says."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.app import Core
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.requests import ActivationTokenRequest, BackupRequest, RestoreRequest
from phoenix_core.domain.states import JobState, StepState
from phoenix_core.domain.views import JobView
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.commit import Committer
from phoenix_core.engine.ledger import Ledger
from phoenix_core.host.process import HostFacts
from phoenix_core.storage.node import StorageNode
from phoenix_core.vault.layout import record_name, snapshot_name
from tests.engine.fake_agent import FakeAgent, back_up, deaf, restore
from tests.engine.rig import Rig


class Gate:
    """A script that reports its first step, then waits to be let through."""

    def __init__(self, rest: Callable[[FakeAgent, Any], Any]) -> None:
        self.open = asyncio.Event()
        self._rest = rest

    async def __call__(self, agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
        await agent.step(order.job, "WF5.1" if isinstance(order, BackupOrder) else "WF6.3")
        await self.open.wait()
        await self._rest(agent, order)


async def under_way(rig: Rig, job: JobView, step: str) -> None:
    async def heard() -> bool:
        return {each.id: each.state for each in (await rig.client.job(job.id)).steps}[step] is StepState.DONE

    await rig.until(heard)


async def backed_up(rig: Rig) -> JobView:
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return done


async def test_a_job_that_is_taken_up_while_its_last_report_is_written_down_ends(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked into the catalog before the report was there, and was nobody's yet when the report came."""
    agent = await rig.agent()
    gate = Gate(back_up)
    agent.on_backup = gate
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    await under_way(rig, job, "WF5.1")
    get, update = AgentJobs.get, Ledger.update
    written = False

    async def update_and_say_so(ledger: Ledger, *arguments: Any, **changes: Any) -> None:
        nonlocal written
        await update(ledger, *arguments, **changes)
        written = written or "outcome" in changes

    monkeypatch.setattr(Ledger, "update", update_and_say_so)
    monkeypatch.setattr(AgentJobs, "get", lambda agents, job_id: get(agents, job_id) if written else None)
    gate.open.set()
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL


async def test_a_backup_goes_on_over_a_restart_of_the_core(rig: Rig) -> None:
    agent = await rig.agent()
    gate = Gate(back_up)
    agent.on_backup = gate
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    await under_way(rig, job, "WF5.1")
    await rig.restart()
    assert (await rig.client.job(job.id)).state is JobState.RUNNING
    gate.open.set()
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert len(agent.orders) == 1
    assert (await rig.client.snapshot("latest")).job_id == job.id


async def test_a_restore_goes_on_over_a_restart_of_the_core(rig: Rig) -> None:
    agent = await rig.agent()
    await backed_up(rig)
    gate = Gate(restore)
    agent.on_restore = gate
    job = await rig.client.restore(RestoreRequest(server="web1"))
    await under_way(rig, job, "WF6.3")
    await rig.restart()
    gate.open.set()
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert agent.restored == agent.files


async def test_a_job_whose_agent_is_gone_after_a_restart_is_aborted_and_its_lease_closed(rig: Rig) -> None:
    agent = await rig.agent()
    agent.on_backup = deaf
    await rig.client.set_setting("agent.grace_s", "0.3")
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    await under_way(rig, job, "WF5.1")
    await rig.stop()
    await agent.stop()
    await rig.start()
    done = await rig.ended(job.id)
    assert done.state is JobState.ABORTED
    assert not await asyncio.to_thread(rig.node().leases)
    agent.on_backup = back_up
    await agent.start()
    assert (await rig.ended((await rig.client.retry(job.id)).id)).state is JobState.SUCCESSFUL


async def test_what_a_lost_job_uploaded_is_used_again(rig: Rig) -> None:
    agent = await rig.agent()

    async def upload_and_vanish(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        await agent.upload(order)
        await agent.step(order.job, "WF5.1")
        await asyncio.Event().wait()

    agent.on_backup = upload_and_vanish
    await rig.client.set_setting("agent.grace_s", "0.2")
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    await under_way(rig, job, "WF5.1")
    await agent.stop()
    assert (await rig.ended(job.id)).state is JobState.ABORTED
    packs = (await rig.client.vault()).packs
    assert packs > 0
    agent.on_backup = back_up
    await agent.start()
    await backed_up(rig)
    assert (await rig.client.vault()).packs == packs


async def test_a_waiting_job_still_waits_after_a_restart(rig: Rig) -> None:
    agent = await rig.agent()
    await agent.stop()
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    await rig.in_state(job.id, JobState.WAITING_FOR_AGENT)
    await rig.restart()
    assert (await rig.client.job(job.id)).state is JobState.WAITING_FOR_AGENT
    await agent.start()
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL


class PulledPlug(BaseException):
    """Stands for the end of the process at a chosen place."""


@pytest.mark.parametrize("place", ["before the record", "after the record", "after the catalog"])
async def test_a_commit_that_was_cut_off_is_finished_after_the_restart(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    agent = await rig.agent()
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()

    def pull(*args: object, **kwargs: object) -> None:
        loop.call_soon_threadsafe(reached.set)
        raise asyncio.CancelledError

    append, put, commit = StorageNode.append_record, Snapshots.put, Committer.commit

    def append_then_pull(*args: Any, **kwargs: Any) -> None:
        append(*args, **kwargs)
        pull()

    async def commit_then_pull(*args: Any, **kwargs: Any) -> None:
        await commit(*args, **kwargs)
        pull()

    with monkeypatch.context() as patch:
        if place == "before the record":
            patch.setattr(StorageNode, "append_record", pull)
        elif place == "after the record":
            patch.setattr(Snapshots, "put", append_put(pull, put))
        else:
            patch.setattr(Committer, "commit", commit_then_pull)
        job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
        await asyncio.wait_for(reached.wait(), 20)
        await agent.stop()
        await rig.stop()
    await rig.start()
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    snapshots = await rig.client.snapshots()
    assert [each.id for each in snapshots] == [done.snapshot_id]
    assert len(await asyncio.to_thread(rig.node().records)) == 1
    assert not await asyncio.to_thread(rig.node().leases)


def append_put(pull: Callable[[], None], put: Any) -> Any:
    async def pulled(*args: Any, **kwargs: Any) -> None:
        pull()

    return pulled


async def test_the_catalogs_snapshots_are_read_again_from_the_vault(rig: Rig) -> None:
    await rig.agent()
    await backed_up(rig)
    await backed_up(rig)
    before = await rig.client.snapshots()
    await rig.stop()
    await asyncio.to_thread(forget, rig.data.catalog)
    await rig.start()
    after = await rig.client.snapshots()
    assert [(each.id, each.paths, each.files, each.recorded_at) for each in after] == [
        (each.id, each.paths, each.files, each.recorded_at) for each in before
    ]


def forget(catalog: Path) -> None:
    """Lose the catalog, as after a disk failure."""
    for path in catalog.parent.glob(catalog.name + "*"):
        path.unlink()


async def test_a_lost_snapshot_object_is_told_and_is_no_parent(rig: Rig) -> None:
    agent = await rig.agent()
    done = await backed_up(rig)
    await rig.stop()
    await asyncio.to_thread((rig.data.vault / snapshot_name(SnapshotId(done.snapshot_id))).unlink)
    await rig.start()
    assert [each.tier for each in await rig.client.snapshots()] == ["lost"]
    await rig.until(lambda: connected(rig))
    await backed_up(rig)
    last = agent.orders[-1]
    assert isinstance(last, BackupOrder)
    assert last.parent is None


async def connected(rig: Rig) -> bool:
    return (await rig.client.server("web1")).connected


async def test_a_vault_that_was_rolled_back_is_told_until_it_is_accepted(rig: Rig) -> None:
    await rig.agent()
    await backed_up(rig)
    second = await backed_up(rig)
    await rig.stop()
    for name in (record_name(2), snapshot_name(SnapshotId(second.snapshot_id))):
        await asyncio.to_thread((rig.data.vault / name).unlink)
    await rig.start()
    vault = await rig.client.vault()
    assert vault.rolled_back
    assert "Record 2" in vault.problem
    assert any(each.subject == "records" and each.state == "error" for each in await rig.client.doctor())
    assert [each.tier for each in await rig.client.snapshots()] == ["lost", "warm"]
    prune = await rig.ended((await rig.client.prune()).id)
    assert prune.state is JobState.FAILED
    assert prune.error is not None
    assert prune.error.code == "vault_rolled_back"
    await rig.restart()
    assert (await rig.client.vault()).rolled_back
    await rig.client.set_setting("vault.accept_rollback", "2")
    await rig.restart()
    assert not (await rig.client.vault()).rolled_back
    assert [each.tier for each in await rig.client.snapshots()] == ["warm"]
    await rig.until(lambda: connected(rig))
    await backed_up(rig)


async def test_a_forged_record_stops_commits_but_hides_no_snapshot(rig: Rig) -> None:
    await rig.agent()
    await backed_up(rig)
    await backed_up(rig)
    await rig.stop()
    await asyncio.to_thread(flip, rig.data.vault / record_name(1))
    await rig.start()
    assert "can't be trusted" in (await rig.client.vault()).problem
    await rig.until(lambda: connected(rig))
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    done = await rig.ended(job.id)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert done.error.code == "records_broken"
    assert [each.tier for each in await rig.client.snapshots()] == ["warm", "warm"]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


async def test_agents_find_a_core_again_at_the_port_of_its_last_run(rig: Rig) -> None:
    assert rig.core is not None
    before = rig.core.link_url
    core = await rig.restart()
    assert isinstance(core, Core)
    assert core.link_url == before


async def test_after_a_lost_catalog_the_data_is_restored_to_another_server(rig: Rig) -> None:
    first = await rig.agent()
    await backed_up(rig)
    await rig.stop()
    await first.stop()
    await asyncio.to_thread(forget, rig.data.catalog)
    await rig.start()
    server = (await rig.client.snapshot("latest")).server_name
    with pytest.raises(RemoteError) as error:
        await rig.client.restore(RestoreRequest(server=server))
    assert error.value.view().code == "source_gone"
    second = await rig.agent("new", HostFacts("new", "Linux x86_64", "9" * 32))
    job = await rig.client.restore(RestoreRequest(server=server, to_server="new", destination="/tmp/there"))
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert second.restored == first.files


async def test_a_server_that_is_enrolled_anew_keeps_its_old_snapshots_but_no_parent(rig: Rig) -> None:
    old = await rig.agent()
    await backed_up(rig)
    await rig.client.remove_server("web1", typed="web1")
    await old.stop()
    new = FakeAgent(rig.root / "agent-anew")
    rig.agents.append(new)
    await new.enrol((await rig.client.activation_token(ActivationTokenRequest(name="web1"))).token)
    await new.start()
    await rig.until(lambda: connected(rig))
    assert len(await rig.client.snapshots(server="web1")) == 1
    job = await rig.client.restore(RestoreRequest(server="web1"))
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    assert new.restored == old.files
    await backed_up(rig)
    last = new.orders[-1]
    assert isinstance(last, BackupOrder)
    assert last.parent is None
