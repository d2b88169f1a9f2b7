"""The core finds the same node in its own process and over HTTPS."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from phoenix_core.domain.ids import ChunkId, LeaseId, PackId, SnapshotId, new_lease_id
from phoenix_core.storage import dispatch, wire
from phoenix_core.storage.client import RemoteCoreNode, RemoteJobNode
from phoenix_core.storage.connection import NodeConnection
from phoenix_core.storage.errors import (
    BadRequest,
    LeaseLapsed,
    NotAllowed,
    ObjectMissing,
    PackRefused,
    PlanOutdated,
    RecordRefused,
    SweepVoid,
)
from phoenix_core.storage.handover import HandoverServer
from phoenix_core.storage.handover_client import SocketJobNode
from phoenix_core.storage.node_api import CoreNode
from phoenix_core.vault.packinfo import PackState
from phoenix_core.vault.record import FIRST_PREVIOUS, Record, RecordKind, sign
from tests.storage.https import Pki, served
from tests.storage.rig import Rig, ids_of, some_chunks


@pytest.fixture(params=["process", "https"])
def core(request: pytest.FixtureRequest, rig: Rig, tmp_path: Path) -> Iterator[CoreNode]:
    if request.param == "process":
        yield rig.node
        return
    pki = Pki(tmp_path)
    with served(rig.node, pki.storage()) as (url, _):
        connection = NodeConnection(url, pki.agent().client_context)
        remote = RemoteCoreNode(connection, lambda: rig.token(rights="core"))
        yield remote
        remote.close()


def a_record(rig: Rig, sequence: int) -> bytes:
    body = Record(sequence, FIRST_PREVIOUS, 1, RecordKind.COMMIT, "s1", bytes(32), blake3(b"s").digest())
    return sign(body, rig.key.record_signing_key())


def test_a_backups_life_as_the_core_sees_it(core: CoreNode, rig: Rig) -> None:
    lease = new_lease_id()
    core.open_lease(lease, "j1", "s1", None)
    (info,) = core.leases()
    assert (info.lease, info.job, info.server_id, info.parent, info.lapsed) == (lease, "j1", "s1", "", False)
    jobs = rig.node.job_node(rig.token(lease=lease))
    pack = rig.put(jobs, some_chunks(3))
    name = jobs.stage_snapshot(b"sealed")
    core.append_record(1, a_record(rig, 1), lease)
    core.close_lease(lease)
    assert core.leases() == []
    assert core.snapshots() == [name]
    assert core.read_snapshot(name) == b"sealed"
    assert core.records() == [(1, a_record(rig, 1))]
    assert core.records(1) == []
    status = core.status()
    assert (status.vault_id, status.packs, status.chunks, status.snapshots, status.records) == (
        rig.vault_id,
        1,
        3,
        1,
        1,
    )
    assert (status.stored_bytes, status.unproved_packs, status.index_complete) == (pack.length, 1, True)
    assert 0 < status.free_bytes <= status.total_bytes
    core.open_lease(LeaseId("l2"), "j2", "s1", name)
    assert core.leases()[0].parent == name


def test_packs_as_the_core_sees_them(core: CoreNode, rig: Rig) -> None:
    jobs = rig.node.job_node(rig.job().token)
    chunks = some_chunks(2)
    first, second = rig.put(jobs, chunks), rig.put(jobs, chunks)
    ids = ids_of(first)
    info = core.pack_info(first.pack_id)
    assert info is not None
    assert info == rig.node.pack_info(first.pack_id)
    assert core.pack_info(PackId(bytes(32))) is None
    assert {pack.pack_id for pack in core.packs()} == {first.pack_id, second.pack_id}
    assert dict(core.stored_packs()) == {first.pack_id: first.length, second.pack_id: second.length}
    assert [len(places) for places in core.locate_all([*ids, ChunkId(bytes(32))])] == [2, 2, 0]
    core.mark_damaged(first.pack_id, PackState.DAMAGED)
    places = core.locate(ids)
    assert [place.pack_id for place in places if place] == [second.pack_id] * 2
    core.mark_damaged(first.pack_id, PackState.USABLE)
    core.mark_proved(first.pack_id)
    proved = core.pack_info(first.pack_id)
    assert proved is not None
    assert proved.proved
    with core.open_pack(first.pack_id) as opened:
        assert opened.pread(8, 0) == b"PHNXPACK"


def test_prune_as_the_core_sees_it(core: CoreNode, rig: Rig) -> None:
    job = rig.job()
    pack = rig.put(rig.node.job_node(job.token), some_chunks(1))
    rig.node.close_lease(job.lease)
    core.append_record(1, a_record(rig, 1))
    with pytest.raises(PlanOutdated):
        core.condemn([pack.pack_id], 0)
    sweep = core.condemn([pack.pack_id], 1)
    result = core.sweep(sweep)
    assert (result.done, result.packs, result.bytes) == (True, 1, pack.length)
    with pytest.raises(SweepVoid):
        core.sweep(sweep)


def test_a_restore_as_the_core_sees_it(core: CoreNode, rig: Rig) -> None:
    pack = rig.put(rig.node.job_node(rig.job().token), some_chunks(1))
    job = rig.job(rights="restore")
    core.grant(job.job, [pack.pack_id])
    assert None not in rig.node.job_node(job.token).locate(ids_of(pack))


def test_the_index_is_rebuilt(core: CoreNode, rig: Rig) -> None:
    rig.put(rig.node.job_node(rig.job().token), some_chunks(2))
    result = core.rebuild_index()
    assert (result.packs, result.chunks, result.unreadable) == (1, 2, ())


def test_errors_arrive_as_what_they_were(core: CoreNode, rig: Rig) -> None:
    with pytest.raises(RecordRefused):
        core.append_record(7, b"record")
    with pytest.raises(LeaseLapsed):
        core.append_record(1, b"record", LeaseId("none"))
    with pytest.raises(ObjectMissing):
        core.read_snapshot(SnapshotId("0" * 64))
    with pytest.raises(ObjectMissing):
        core.mark_proved(PackId(bytes(32)))
    core.delete_snapshot(SnapshotId("0" * 64))


@pytest.mark.parametrize("rights", ["backup", "restore"])
def test_what_deletes_is_refused_to_a_jobs_token(rig: Rig, tmp_path: Path, rights: str) -> None:
    """Neither where the core calls, nor among a job's own calls; the sweep that the core has begun is there to try."""
    job = rig.job()
    jobs = rig.node.job_node(job.token)
    kept, condemned = rig.put(jobs, some_chunks(1)), rig.put(jobs, some_chunks(1, seed=1))
    name = jobs.stage_snapshot(b"sealed")
    rig.node.close_lease(job.lease)
    sweep = rig.node.condemn([condemned.pack_id])
    token = rig.job(rights=rights).token
    calls = (wire.Condemn([kept.pack_id]), wire.Sweep(sweep), wire.DeleteSnapshot(name))
    pki = Pki(tmp_path)
    socket = HandoverServer(rig.node.desk, tmp_path / "s")
    socket.start()
    with served(rig.node, pki.storage()) as (url, _):
        connection = NodeConnection(url, pki.agent().client_context)
        as_core, as_job = RemoteCoreNode(connection, lambda: token), RemoteJobNode(connection, token)
        handed = SocketJobNode(tmp_path / "s", token)
        for call in calls:
            with pytest.raises(NotAllowed):
                as_core._caller.ask(call, None)
            with pytest.raises(BadRequest):
                as_job._caller.ask(call, None)
            with pytest.raises(BadRequest):
                handed._ask(call, None)
        handed.close()
        connection.close()
    socket.stop()
    assert {pack for pack, _ in rig.node.stored_packs()} == {kept.pack_id, condemned.pack_id}
    assert rig.node.snapshots() == [name]
    assert rig.node.sweep(sweep).packs == 1, "it was the token that kept the agent from it"


def test_many_packs_come_page_by_page(core: CoreNode, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "STORED_PAGE_PACKS", 3)
    jobs = rig.node.job_node(rig.job().token)
    packs = {rig.put(jobs, some_chunks(1, seed=seed)).pack_id for seed in range(10)}
    assert {pack for pack, _ in core.stored_packs()} == packs
    assert {info.pack_id for info in core.packs()} == packs


def test_a_new_epochs_key_reaches_a_node_elsewhere(core: CoreNode, rig: Rig) -> None:
    rig.keys = rig.key.domain_keys("default", 2)
    (pack,) = rig.packs(some_chunks(1))
    jobs = rig.node.job_node(rig.job().token)
    with pack:
        with pytest.raises(PackRefused):
            jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        core.add_index_key("default", 2, rig.keys.index_key)  # type: ignore[attr-defined]
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
