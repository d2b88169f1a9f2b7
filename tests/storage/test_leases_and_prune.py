"""Prune beside running jobs: nothing that a job relies on goes, all else does."""

import pytest
from blake3 import blake3

from phoenix_core.domain.ids import ChunkId, LeaseId, PackId, SnapshotId
from phoenix_core.storage.errors import (
    LeaseLapsed,
    LeaseRefused,
    ObjectMissing,
    PlanOutdated,
    RecordRefused,
    SweepVoid,
)
from phoenix_core.storage.staged import StagedFile
from phoenix_core.vault.packinfo import PackState
from phoenix_core.vault.record import FIRST_PREVIOUS, Record, RecordKind, sign
from tests.storage.rig import Rig, ids_of, some_chunks

TTL_S = 1800.0


def state(rig: Rig, pack_id: PackId) -> PackState | None:
    info = rig.node.pack_info(pack_id)
    return info.state if info else None


def old_pack(rig: Rig, seed: int = 0, server: str = "s1") -> tuple[PackId, list[ChunkId]]:
    """A pack whose job is over."""
    job = rig.job(server=server)
    pack = rig.put(rig.node.job_node(job.token), some_chunks(2, seed=seed), server=server)
    rig.node.close_lease(job.lease)
    return pack.pack_id, ids_of(pack)


def record(rig: Rig, sequence: int, snapshot: bytes = b"s", kind: RecordKind = RecordKind.COMMIT) -> bytes:
    body = Record(sequence, FIRST_PREVIOUS, 1, kind, "s1", bytes(32), blake3(snapshot).digest())
    return sign(body, rig.key.record_signing_key())


# --- prune ---


def test_an_unneeded_pack_is_condemned_then_deleted(rig: Rig) -> None:
    pack, ids = old_pack(rig)
    sweep = rig.node.condemn([pack])
    assert state(rig, pack) is PackState.CONDEMNED
    assert rig.node.status().condemned_packs == 1
    jobs = rig.node.job_node(rig.job().token)
    assert jobs.present(ids) == [False, False]
    assert rig.node.locate(ids)[0] is not None
    result = rig.node.sweep(sweep)
    assert (result.done, result.packs) == (True, 1)
    assert result.bytes > 0
    assert state(rig, pack) is None
    assert rig.node.locate(ids) == [None, None]
    assert list(rig.node.stored_packs()) == []
    assert rig.node.status().packs == 0


def test_what_a_live_lease_was_told_of_is_left_out(rig: Rig) -> None:
    told, ids = old_pack(rig, seed=1)
    untold, _ = old_pack(rig, seed=2)
    assert rig.node.job_node(rig.job().token).present(ids) == [True, True]
    rig.node.condemn([told, untold])
    assert state(rig, told) is PackState.USABLE
    assert state(rig, untold) is PackState.CONDEMNED


def test_what_was_stored_under_a_live_lease_is_left_out(rig: Rig) -> None:
    pack = rig.put(rig.node.job_node(rig.job().token), some_chunks(1))
    rig.node.condemn([pack.pack_id])
    assert state(rig, pack.pack_id) is PackState.USABLE


def test_what_a_running_restore_was_granted_is_left_out(rig: Rig) -> None:
    pack, _ = old_pack(rig)
    job = rig.job(rights="restore")
    rig.node.grant(job.job, [pack])
    rig.node.condemn([pack])
    assert state(rig, pack) is PackState.USABLE
    rig.node.close_lease(job.lease)
    rig.node.condemn([pack])
    assert state(rig, pack) is PackState.CONDEMNED


def test_the_second_phase_waits_for_leases_that_were_open_before_the_first(rig: Rig) -> None:
    pack, _ = old_pack(rig)
    before = rig.job()
    sweep = rig.node.condemn([pack])
    after = rig.job()
    waiting = rig.node.sweep(sweep)
    assert (waiting.done, waiting.waiting_for) == (False, (before.job,))
    assert state(rig, pack) is PackState.CONDEMNED
    rig.node.close_lease(before.lease)
    assert rig.node.sweep(sweep).done
    assert state(rig, pack) is None
    rig.node.close_lease(after.lease)


def test_a_lapsed_lease_protects_nothing_and_holds_no_sweep_up(rig: Rig) -> None:
    pack, ids = old_pack(rig)
    rig.node.job_node(rig.job().token).present(ids)
    rig.clock.pass_s(TTL_S + 1)
    sweep = rig.node.condemn([pack])
    assert rig.node.sweep(sweep).packs == 1


def test_a_condemned_pack_that_is_stored_again_survives_the_sweep(rig: Rig) -> None:
    job = rig.job()
    with rig.pack(some_chunks(2)) as pack:
        rig.node.job_node(job.token).put_pack(pack.pack_id, pack.fd, pack.length)
        rig.node.close_lease(job.lease)
        sweep = rig.node.condemn([pack.pack_id])
        again = rig.node.job_node(rig.job().token)
        again.put_pack(pack.pack_id, pack.fd, pack.length)
    assert rig.node.sweep(sweep).packs == 0
    assert again.present(ids_of(pack)) == [True, True]


def test_a_second_copy_stays_when_the_first_is_swept(rig: Rig) -> None:
    first, ids = old_pack(rig)
    rig.node.condemn([first])
    job = rig.job()
    second = rig.put(rig.node.job_node(job.token), some_chunks(2))
    assert second.pack_id != first
    rig.node.close_lease(job.lease)
    sweep = rig.node.condemn([first])
    assert rig.node.sweep(sweep).packs == 0  # the first sweep has it
    places = rig.node.locate(ids)
    assert [place.pack_id for place in places if place] == [second.pack_id] * 2


def test_a_finished_or_unknown_sweep_is_void(rig: Rig) -> None:
    pack, _ = old_pack(rig)
    sweep = rig.node.condemn([pack])
    rig.node.sweep(sweep)
    for number in (sweep, 77, 0, -1, 1 << 40):
        with pytest.raises(SweepVoid):
            rig.node.sweep(number)


def test_a_restart_voids_open_sweeps_and_gives_packs_back_the_state_they_had(rig: Rig) -> None:
    usable, ids = old_pack(rig, seed=1)
    damaged, _ = old_pack(rig, seed=2)
    rig.node.mark_proved(usable)
    rig.node.mark_damaged(damaged, PackState.DAMAGED)
    sweep = rig.node.condemn([usable, damaged])
    rig.restart()
    assert state(rig, usable) is PackState.USABLE
    assert state(rig, damaged) is PackState.DAMAGED
    with pytest.raises(SweepVoid):
        rig.node.sweep(sweep)
    assert rig.node.job_node(rig.job().token).present(ids) == [True, True]
    info = rig.node.pack_info(usable)
    assert info is not None
    assert info.proved


def test_a_plan_older_than_a_commit_is_refused(rig: Rig) -> None:
    pack, _ = old_pack(rig)
    rig.node.append_record(1, record(rig, 1))
    with pytest.raises(PlanOutdated) as raised:
        rig.node.condemn([pack], seen_record=0)
    assert raised.value.retryable
    assert state(rig, pack) is PackState.USABLE
    rig.node.condemn([pack], seen_record=1)
    assert state(rig, pack) is PackState.CONDEMNED


def test_a_plan_older_than_a_removal_only_will_do(rig: Rig) -> None:
    pack, _ = old_pack(rig)
    rig.node.append_record(1, record(rig, 1))
    rig.node.append_record(2, record(rig, 2, kind=RecordKind.REMOVE))
    rig.node.condemn([pack], seen_record=1)
    assert state(rig, pack) is PackState.CONDEMNED


def test_giving_a_sweep_up_keeps_the_proof(rig: Rig) -> None:
    pack, _ = old_pack(rig)
    rig.node.mark_proved(pack)
    rig.node.condemn([pack])
    rig.node.mark_damaged(pack, PackState.USABLE)
    info = rig.node.pack_info(pack)
    assert info is not None
    assert (info.state, info.proved) == (PackState.USABLE, True)


# --- leases ---


def test_a_lapsed_lease_refuses_everything_and_never_comes_back(rig: Rig) -> None:
    job = rig.job()
    token = rig.token(lease=job.lease, job=job.job, seconds=100_000)
    jobs = rig.node.job_node(token)
    rig.clock.pass_s(TTL_S + 1)
    for call in (
        lambda: jobs.present([ChunkId(bytes(32))]),
        lambda: jobs.stage_snapshot(b"sealed"),
        lambda: rig.node.append_record(1, record(rig, 1), job.lease),
        jobs.renew_lease,
    ):
        with pytest.raises(LeaseLapsed):
            call()
    assert rig.node.snapshots() == []
    assert [info.lapsed for info in rig.node.leases()] == [True]
    rig.node.condemn([])
    rig.restart()
    assert [info.lapsed for info in rig.node.leases()] == [True]
    with pytest.raises(LeaseLapsed):
        rig.node.job_node(token).renew_lease()


def test_calls_keep_a_lease_alive(rig: Rig) -> None:
    job = rig.job()
    jobs = rig.node.job_node(rig.token(lease=job.lease, job=job.job, seconds=100_000))
    for _ in range(5):
        rig.clock.pass_s(TTL_S - 1)
        jobs.present([ChunkId(bytes(32))])
    assert jobs.stage_snapshot(b"sealed")


def test_a_restarted_node_renews_leases_and_still_honours_what_they_were_told(rig: Rig) -> None:
    pack, ids = old_pack(rig)
    job = rig.job()
    rig.node.job_node(job.token).present(ids)
    rig.clock.pass_s(TTL_S - 10)
    rig.restart()
    rig.clock.pass_s(TTL_S - 10)
    rig.node.condemn([pack])
    assert state(rig, pack) is PackState.USABLE
    assert rig.node.job_node(rig.token(lease=job.lease, job=job.job)).stage_snapshot(b"sealed")


def test_a_grant_outlives_a_restart(rig: Rig) -> None:
    pack, ids = old_pack(rig)
    job = rig.job(rights="restore")
    rig.node.grant(job.job, [pack])
    rig.restart()
    assert None not in rig.node.job_node(job.token).locate(ids)


def test_opening_a_lease_again_renews_it_and_another_job_may_not(rig: Rig) -> None:
    lease = LeaseId("l1")
    rig.node.open_lease(lease, "j1", "s1", None)
    rig.node.open_lease(lease, "j1", "s1", None)
    with pytest.raises(LeaseRefused):
        rig.node.open_lease(lease, "j2", "s1", None)
    assert len(rig.node.leases()) == 1


# --- snapshots and records ---


def test_a_staged_snapshot_is_named_by_its_bytes_and_read_back(rig: Rig) -> None:
    jobs = rig.node.job_node(rig.job().token)
    name = jobs.stage_snapshot(b"sealed")
    assert name == blake3(b"sealed").hexdigest()
    assert jobs.stage_snapshot(b"sealed") == name
    assert rig.node.snapshots() == [name]
    assert rig.node.read_snapshot(name) == b"sealed"


def test_a_parent_outlives_the_lease_that_needs_it(rig: Rig) -> None:
    parent = rig.node.job_node(rig.job().token).stage_snapshot(b"parent")
    child = rig.job(parent=parent)
    rig.node.delete_snapshot(parent)
    assert rig.node.read_snapshot(parent) == b"parent"
    with pytest.raises(LeaseRefused, match="removed"):
        rig.job(parent=parent)
    rig.restart()
    assert rig.node.read_snapshot(parent) == b"parent"
    rig.node.close_lease(child.lease)
    with pytest.raises(ObjectMissing):
        rig.node.read_snapshot(parent)
    assert rig.node.snapshots() == []


def test_a_snapshot_that_nothing_needs_goes_at_once(rig: Rig) -> None:
    name = rig.node.job_node(rig.job().token).stage_snapshot(b"sealed")
    rig.node.delete_snapshot(name)
    rig.node.delete_snapshot(name)
    assert rig.node.snapshots() == []
    with pytest.raises(LeaseRefused):
        rig.job(parent=name)


@pytest.mark.parametrize("name", ["../../vault", "x", "A" * 64])
def test_a_snapshot_name_that_is_none_is_refused(rig: Rig, name: str) -> None:
    with pytest.raises(ObjectMissing):
        rig.node.read_snapshot(SnapshotId(name))
    with pytest.raises(ObjectMissing):
        rig.node.delete_snapshot(SnapshotId(name))


def test_records_are_contiguous_and_never_replaced(rig: Rig) -> None:
    first, second = record(rig, 1), record(rig, 2)
    rig.node.append_record(1, first)
    rig.node.append_record(1, first)
    with pytest.raises(RecordRefused, match="another record"):
        rig.node.append_record(1, second)
    with pytest.raises(RecordRefused, match="isn't there"):
        rig.node.append_record(3, second)
    with pytest.raises(RecordRefused):
        rig.node.append_record(0, second)
    rig.node.append_record(2, second)
    assert rig.node.records() == [(1, first), (2, second)]
    assert rig.node.records(after=1) == [(2, second)]
    assert rig.node.status().records == 2


def test_a_pack_whose_lease_ends_while_it_is_stored_leaves_no_trace(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    job = rig.job()
    jobs = rig.node.job_node(job.token)
    commit = StagedFile.commit

    def commit_and_lose_the_lease(staged: StagedFile, name: str, *, replace: bool = False) -> bool:
        published = commit(staged, name, replace=replace)
        rig.node.close_lease(job.lease)
        return published

    with rig.pack(some_chunks(2)) as pack:
        monkeypatch.setattr(StagedFile, "commit", commit_and_lose_the_lease)
        with pytest.raises(LeaseLapsed):
            jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        assert list(rig.node.stored_packs()) == []
        monkeypatch.undo()
        again = rig.node.job_node(rig.job().token)
        again.put_pack(pack.pack_id, pack.fd, pack.length)
        assert again.present(ids_of(pack)) == [True, True]


def test_a_pack_on_its_way_in_is_listed_once_the_index_has_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = rig.node.job_node(rig.job().token)
    commit = StagedFile.commit
    listed: list[list[tuple[PackId, int]]] = []

    def commit_and_list(staged: StagedFile, name: str, *, replace: bool = False) -> bool:
        published = commit(staged, name, replace=replace)
        listed.append(list(rig.node.stored_packs()))
        return published

    monkeypatch.setattr(StagedFile, "commit", commit_and_list)
    pack = rig.put(jobs, some_chunks(2))
    assert listed[0] == []
    assert [pack_id for pack_id, _ in rig.node.stored_packs()] == [pack.pack_id]
