"""What the core refuses to make a restore point."""

import asyncio
import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.reports import (
    BackupResult,
    EstimateReport,
    LogReport,
    MissingFile,
    ReportBody,
    RestoreResult,
)
from phoenix_core.domain.ids import LeaseId, SnapshotId
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView
from phoenix_core.engine import node_patience
from phoenix_core.host.process import HostFacts
from phoenix_core.storage.connect import connect_job_node
from phoenix_core.storage.errors import StorageUnreachable
from phoenix_core.vault.snapshot import SnapshotBody, open_snapshot, seal_snapshot
from tests.engine.fake_agent import FakeAgent, back_up
from tests.engine.rig import Rig


def body_of(order: BackupOrder, key: Ed25519PrivateKey, root: bytes) -> SnapshotBody:
    return SnapshotBody(
        vault_id=order.vault_id,
        server_id=order.server_id,
        job_id=order.job,
        domain=order.domain.domain,
        epoch=order.domain.epoch,
        root=root,
        paths=order.paths,
        agent_public_key=key.public_key().public_bytes_raw(),
        started_ns=time.time_ns(),
    )


async def forged(
    rig: Rig, change: Callable[[SnapshotBody], SnapshotBody], key: Ed25519PrivateKey | None = None
) -> JobView:
    """A second backup whose agent stages a changed snapshot; the ended job."""
    agent = await rig.agent()
    first = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    assert first.state is JobState.SUCCESSFUL

    async def forge(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        assert order.parent is not None
        root = order.parent.root

        def stage() -> str:
            state = agent.state
            signed_with = key or state.signing_key()
            node = connect_job_node(order.storage, state.tls.client_context)
            try:
                sealed = seal_snapshot(change(body_of(order, signed_with, root)), signed_with, order.vault_public_key)
                return node.stage_snapshot(sealed)
            finally:
                node.close()

        await agent.report(order.job, BackupResult(snapshot_id=await asyncio.to_thread(stage)))

    agent.on_backup = forge
    return await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vault_id": "0" * 32}, "of another vault"),
        ({"server_id": "s0000000000"}, "server s0000000000"),
        ({"job_id": "j0000000000"}, "job j0000000000"),
        ({"domain": "other"}, "domain other"),
        ({"epoch": 7}, "epoch 7"),
        ({"root": b"?" * 32}, "root tree"),
        ({"paths": (b"/phoenix-streams/orders",)}, "of the stream orders"),
    ],
)
async def test_a_snapshot_that_is_not_the_jobs_own_is_refused(rig: Rig, changes: dict[str, Any], reason: str) -> None:
    done = await forged(rig, lambda body: msgspec.structs.replace(body, **changes))
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert done.error.code == "commit_refused"
    assert reason in done.error.message
    assert len(await rig.client.snapshots()) == 1
    assert not await asyncio.to_thread(rig.node().leases)


async def test_a_snapshot_that_another_key_signed_is_refused(rig: Rig) -> None:
    done = await forged(rig, lambda body: body, Ed25519PrivateKey.generate())
    assert done.error is not None
    assert "never given" in done.error.message


async def test_the_same_snapshot_unchanged_is_taken(rig: Rig) -> None:
    done = await forged(rig, lambda body: body)
    assert done.state is JobState.SUCCESSFUL, done.error


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (BackupResult(snapshot_id="0" * 64), "object_missing"),
        (BackupResult(snapshot_id="../../etc/passwd"), "commit_refused"),
        (BackupResult(snapshot_id=""), "commit_refused"),
    ],
)
async def test_a_snapshot_that_was_never_staged_is_refused(rig: Rig, outcome: ReportBody, code: str) -> None:
    agent = await rig.agent()

    async def lie(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        await agent.report(order.job, outcome)

    agent.on_backup = lie
    done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert done.error.code == code


async def test_a_backup_whose_lease_lapsed_is_not_committed(rig: Rig) -> None:
    agent = await rig.agent()

    async def too_late(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        result = await agent.upload(order)
        await asyncio.to_thread(rig.node().close_lease, LeaseId(order.storage.lease))
        await agent.report(order.job, result)

    agent.on_backup = too_late
    done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert done.error.code == "lease_lapsed"
    assert await rig.client.snapshots() == []
    agent.on_backup = back_up
    again = await rig.ended((await rig.client.retry(done.id)).id)
    assert again.state is JobState.SUCCESSFUL


async def test_a_wrong_kind_of_outcome_ends_the_job(rig: Rig) -> None:
    agent = await rig.agent()

    async def confused(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        await agent.report(order.job, RestoreResult())

    agent.on_backup = confused
    done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    assert done.state is JobState.ABORTED


async def test_missing_files_and_changed_ones_are_told(rig: Rig) -> None:
    agent = await rig.agent()

    async def partly(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        await agent.report(order.job, EstimateReport(10, 2, 1000, 5, 500, 1.5))
        await agent.report(order.job, LogReport(level="warning", text="/srv/locked is locked"))
        result = await agent.upload(order)
        await agent.report(
            order.job,
            msgspec.structs.replace(
                result,
                missing=(MissingFile("/srv/locked", "EBUSY"),),
                missing_count=1,
                changed_while_read=("/srv/log",),
            ),
        )

    agent.on_backup = partly
    done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    assert done.state is JobState.SUCCESSFUL_WITH_ERRORS
    assert [(each.path, each.reason) for each in done.missing] == [("/srv/locked", "EBUSY")]
    assert [each.path for each in done.notes] == ["/srv/log"]
    assert done.result["estimated_bytes"] == 1000
    assert done.result["files"] == 2
    assert any(line.text == "/srv/locked is locked" for line in await rig.client.job_log(done.id))
    assert await rig.client.missing(done.id) == list(done.missing)


async def test_a_trial_run_commits_nothing(rig: Rig) -> None:
    agent = await rig.agent()

    async def trial(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        assert order.dry_run
        await agent.report(order.job, BackupResult(snapshot_id="", files=5, dry_run=True))

    agent.on_backup = trial
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",), dry_run=True))
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert done.snapshot_id == ""
    assert await rig.client.snapshots() == []


async def test_a_server_relies_on_anothers_chunks_only_once_they_are_proved(rig: Rig) -> None:
    shared = os.urandom(400_000)
    first = await rig.agent("web1")
    second = await rig.agent("web2", HostFacts("web2", "Linux x86_64", "1" * 32))
    first.files = second.files = {"/srv/shared": shared}
    await rig.client.set_setting("prove.enabled", "false")
    results = []
    for server in ("web1", "web2"):
        job = await rig.client.backup(BackupRequest(server=server, paths=("/srv",)))
        results.append(await rig.ended(job.id))
    assert results[1].result["packs"] == 2
    await rig.client.set_setting("prove.enabled", "true")

    async def proved() -> bool:
        return all(each.proved for each in await rig.client.snapshots())

    await rig.until(proved)
    third = await rig.agent("web3", HostFacts("web3", "Linux x86_64", "2" * 32))
    third.files = {"/srv/shared": shared, "/srv/own": b"x"}
    job = await rig.client.backup(BackupRequest(server="web3", paths=("/srv",)))
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    before = (await rig.client.vault()).stored_bytes
    assert before < 3 * 400_000


async def test_storage_that_is_away_while_the_snapshot_is_recorded_is_waited_for(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_patience, "AGAIN_S", 0.01)
    await rig.agent()
    node = rig.node()
    append, away = node.append_record, [1, 2]

    def append_record(*arguments: Any) -> None:
        if away:
            away.pop()
            raise StorageUnreachable(place="nas", detail="refused")
        append(*arguments)

    monkeypatch.setattr(node, "append_record", append_record)
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert away == []
    warnings = [line.text for line in await rig.client.job_log(job.id) if line.level == "warning"]
    assert len(warnings) == 1
    assert "nas" in warnings[0]
    assert len(await rig.client.snapshots()) == 1


async def test_a_parent_that_is_removed_as_the_backup_begins_is_not_compared_with(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await rig.agent()
    first = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    node = rig.node()
    open_lease, asked = node.open_lease, list[str | None]()

    def removed_meanwhile(lease: LeaseId, job: str, server_id: str, parent: SnapshotId | None) -> None:
        asked.append(parent)
        if parent is not None:
            node.delete_snapshot(parent)
        open_lease(lease, job, server_id, parent)

    monkeypatch.setattr(node, "open_lease", removed_meanwhile)
    done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert asked == [first.snapshot_id, None]
    order = agent.orders[-1]
    assert isinstance(order, BackupOrder)
    assert order.parent is None


async def test_a_job_does_not_answer_with_the_snapshot_of_another_server(rig: Rig) -> None:
    """Its row would then carry the name of the server that answered."""
    await rig.agent("web1")
    thief = await rig.agent("web2", HostFacts("web2", "Linux x86_64", "1" * 32))
    theirs = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)

    async def answer_with_theirs(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        await agent.report(order.job, BackupResult(snapshot_id=theirs.snapshot_id))

    thief.on_backup = answer_with_theirs
    done = await rig.ended((await rig.client.backup(BackupRequest(server="web2", paths=("/srv",)))).id)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert done.error.code == "commit_refused"
    assert [(each.server_name, each.id) for each in await rig.client.snapshots()] == [("web1", theirs.snapshot_id)]


@pytest.mark.parametrize("at_ns", [0, 2**62, -(2**62), 2**63 - 1])
async def test_the_record_has_the_cores_time_whatever_the_agents_clock_says(rig: Rig, at_ns: int) -> None:
    agent = await rig.agent("web1")

    async def with_a_wrong_clock(agent: FakeAgent, order: object) -> None:
        assert isinstance(order, BackupOrder)
        honest = await agent.upload(order)

        def stage() -> str:
            assert rig.key is not None
            sealed = rig.node().read_snapshot(SnapshotId(honest.snapshot_id))
            body, _ = open_snapshot(rig.key.private_key(), sealed)
            wrong = msgspec.structs.replace(body, started_ns=at_ns, finished_ns=at_ns)
            node = connect_job_node(order.storage, agent.state.tls.client_context)
            try:
                return node.stage_snapshot(seal_snapshot(wrong, agent.state.signing_key(), order.vault_public_key))
            finally:
                node.close()

        await agent.report(order.job, msgspec.structs.replace(honest, snapshot_id=await asyncio.to_thread(stage)))

    agent.on_backup = with_a_wrong_clock
    done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    agent.on_backup = back_up
    await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    newest, oldest = await rig.client.snapshots()
    assert oldest.id == done.snapshot_id
    assert timedelta() <= newest.recorded_at - oldest.recorded_at < timedelta(minutes=5)
