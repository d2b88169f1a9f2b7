"""What a job may and may not do at the node."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.storage.client import RemoteJobNode
from phoenix_core.storage.connection import NodeConnection
from phoenix_core.storage.errors import (
    LeaseLapsed,
    NotAllowed,
    ObjectMissing,
    PackRefused,
    SnapshotRefused,
    TokenExpired,
    TokenForged,
)
from phoenix_core.storage.leases import Leases
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packinfo import PackState
from phoenix_core.vault.sharing import SHARED_ABOVE_BYTES
from phoenix_core.vault.vaultkey import VaultKey
from tests.storage.https import Pki, served
from tests.storage.rig import OURS, THEIRS, Rig, ids_of, some_chunks


def stored_files(rig: Rig) -> list[str]:
    return sorted(path.name for path in (rig.folder / "vault").rglob("*") if path.is_file() and len(path.name) == 64)


def test_a_stored_pack_is_present_located_and_read_back(rig: Rig) -> None:
    jobs = rig.node.job_node(rig.job().token)
    chunks = some_chunks(5)
    pack = rig.put(jobs, chunks)
    ids = ids_of(pack)
    assert jobs.present([*ids, ChunkId(bytes(32))]) == [True] * 5 + [False]
    assert [data for _, data in rig.reader(jobs, [pack]).read(ids)] == chunks
    info = rig.node.pack_info(pack.pack_id)
    assert info is not None
    assert (info.bytes, info.server_id, info.domain, info.kind, info.chunks) == (
        pack.length,
        OURS,
        "default",
        "data",
        5,
    )
    assert (info.state, info.proved) == (PackState.USABLE, False)


def test_storing_a_pack_twice_is_fine(rig: Rig) -> None:
    jobs = rig.node.job_node(rig.job().token)
    with rig.pack(some_chunks(3)) as pack:
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        assert stored_files(rig) == [pack.pack_id.hex()]
    assert rig.node.status().packs == 1


# --- no poisoned deduplication ---


def test_a_chunk_of_another_server_counts_only_once_the_core_proved_it(rig: Rig) -> None:
    pack = rig.put(rig.node.job_node(rig.job(server=THEIRS).token), some_chunks(2, size=300_000), server=THEIRS)
    ours = rig.node.job_node(rig.job(server=OURS).token)
    assert ours.present(ids_of(pack)) == [False, False]
    rig.node.mark_proved(pack.pack_id)
    assert ours.present(ids_of(pack)) == [True, True]


def test_of_another_servers_chunks_only_the_large_ones_are_told_of(rig: Rig) -> None:
    """What is short can be guessed."""
    theirs = rig.node.job_node(rig.job(server=THEIRS).token)
    small, large = (b"s" * SHARED_ABOVE_BYTES, b"l" * (SHARED_ABOVE_BYTES + 1))
    pack = rig.put(theirs, [small, large], server=THEIRS)
    rig.node.mark_proved(pack.pack_id)
    jobs = rig.node.job_node(rig.job(server=OURS).token)
    assert jobs.present(ids_of(pack)) == [False, True]
    rig.put(jobs, [small])
    assert jobs.present(ids_of(pack)) == [True, True], "a copy of its own counts, beside another server's"
    assert theirs.present(ids_of(pack)) == [True, True]


def test_of_another_servers_metadata_nothing_is_told(rig: Rig) -> None:
    theirs = rig.node.job_node(rig.job(server=THEIRS).token)
    pack = rig.put(theirs, [b"m" * 600_000], server=THEIRS, kind=PackKind.META)
    rig.node.mark_proved(pack.pack_id)
    assert rig.node.job_node(rig.job(server=OURS).token).present(ids_of(pack)) == [False]


def test_of_another_servers_granted_pack_the_tail_is_not_served(rig: Rig, tmp_path: Path) -> None:
    pack = rig.put(rig.node.job_node(rig.job(server=THEIRS).token), some_chunks(3), server=THEIRS)
    restore = rig.job(rights="restore", server=OURS)
    rig.node.grant(restore.job, [pack.pack_id])
    pki = Pki(tmp_path)
    with served(rig.node, pki.storage()) as (url, _):
        node = RemoteJobNode(NodeConnection(url, pki.agent().client_context), restore.token)
        try:
            end = pack.tail.body_end
            with node.open_pack(pack.pack_id) as opened:
                assert len(opened.pread(end, 0)) == end
                assert opened.pread(100, end - 1) == opened.pread(1, end - 1)
                assert opened.pread(100, end) == b""
        finally:
            node.close()
    own = rig.node.job_node(rig.job(server=THEIRS).token)
    with own.open_pack(pack.pack_id) as opened:
        assert len(opened.pread(100, end)) == 100


@pytest.mark.parametrize("state", [PackState.DAMAGED, PackState.LOST])
def test_a_chunk_in_a_pack_that_was_found_bad_counts_as_missing(rig: Rig, state: PackState) -> None:
    jobs = rig.node.job_node(rig.job().token)
    chunks = some_chunks(2)
    pack = rig.put(jobs, chunks)
    rig.node.mark_damaged(pack.pack_id, state)
    assert jobs.present(ids_of(pack)) == [False, False]
    second = rig.put(jobs, chunks)
    assert jobs.present(ids_of(pack)) == [True, True]
    place = jobs.locate(ids_of(pack))[0]
    assert place is not None
    assert place.pack_id == second.pack_id


def test_a_damaged_pack_that_comes_again_heals_the_file(rig: Rig) -> None:
    jobs = rig.node.job_node(rig.job().token)
    with rig.pack(some_chunks(2)) as pack:
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        (path,) = (rig.folder / "vault").rglob(pack.pack_id.hex())
        path.chmod(0o600)
        path.write_bytes(bytes(pack.length))
        rig.node.mark_damaged(pack.pack_id, PackState.DAMAGED)
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        assert path.read_bytes() == os.pread(pack.fd, pack.length, 0)
    assert jobs.present(ids_of(pack)) == [True, True]


def test_a_proved_copy_is_read_before_one_that_is_only_said_to_be_the_chunk(rig: Rig) -> None:
    """The first pack is stored by somebody who lies about its chunks; its proof may be far off."""
    chunks = some_chunks(2)
    with rig.pack(chunks, server=THEIRS) as first, rig.pack(chunks) as second:
        theirs, ours = rig.node.job_node(rig.job(server=THEIRS).token), rig.node.job_node(rig.job().token)
        theirs.put_pack(first.pack_id, first.fd, first.length)
        ours.put_pack(second.pack_id, second.fd, second.length)
    assert {place.pack_id for place in rig.node.locate(ids_of(second)) if place} == {first.pack_id}
    rig.node.mark_proved(second.pack_id)
    assert {place.pack_id for place in rig.node.locate(ids_of(second)) if place} == {second.pack_id}


# --- what a pack must be ---


def test_a_pack_whose_bytes_are_not_its_names_is_refused(rig: Rig) -> None:
    jobs = rig.node.job_node(rig.job().token)
    with rig.pack(some_chunks(2)) as pack:
        os.pwrite(pack.fd, b"\xff", pack.length // 2)
        with pytest.raises(PackRefused, match="hash to"):
            jobs.put_pack(pack.pack_id, pack.fd, pack.length)
    assert stored_files(rig) == []
    assert rig.node.status().packs == 0


@pytest.mark.parametrize("cut", [1, 16, 1000, 10_000])
def test_a_truncated_pack_is_refused_under_any_name(rig: Rig, cut: int) -> None:
    from blake3 import blake3

    jobs = rig.node.job_node(rig.job().token)
    with rig.pack([os.urandom(20_000)]) as pack:
        with pytest.raises(PackRefused):
            jobs.put_pack(pack.pack_id, pack.fd, pack.length - cut)
        honest = PackId(blake3(os.pread(pack.fd, pack.length - cut, 0)).digest())
        with pytest.raises(PackRefused):
            jobs.put_pack(honest, pack.fd, pack.length - cut)
    assert stored_files(rig) == []


def test_a_pack_shorter_than_announced_is_refused(rig: Rig) -> None:
    jobs = rig.node.job_node(rig.job().token)
    with rig.pack(some_chunks(1)) as pack, pytest.raises(PackRefused):
        jobs.put_pack(pack.pack_id, pack.fd, pack.length + 100)


def test_a_pack_in_the_name_of_another_server_is_refused(rig: Rig) -> None:
    jobs = rig.node.job_node(rig.job(server=OURS).token)
    with rig.pack(some_chunks(1), server=THEIRS) as pack, pytest.raises(PackRefused, match="server s2"):
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
    assert stored_files(rig) == []


def test_a_pack_of_another_vault_is_refused(rig: Rig) -> None:
    vault_id, rig.vault_id = rig.vault_id, "ee" * 16
    (pack,) = rig.packs(some_chunks(1))
    rig.vault_id = vault_id
    with pack, pytest.raises(PackRefused, match="eeeeee"):
        rig.node.job_node(rig.job().token).put_pack(pack.pack_id, pack.fd, pack.length)


def test_a_pack_of_an_unknown_domain_or_epoch_is_refused(rig: Rig) -> None:
    rig.keys = rig.key.domain_keys("default", 2)
    (pack,) = rig.packs(some_chunks(1))
    jobs = rig.node.job_node(rig.job().token)
    with pack:
        with pytest.raises(PackRefused, match="epoch 2"):
            jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        rig.node.add_index_key("default", 2, rig.keys.index_key)
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
    assert jobs.present(ids_of(pack)) == [True]


def test_a_pack_of_a_domain_that_is_not_the_jobs_is_refused(rig: Rig) -> None:
    rig.keys = rig.key.domain_keys("finance", 1)
    rig.node.add_index_key("finance", 1, rig.keys.index_key)
    (pack,) = rig.packs(some_chunks(1))
    with pack, pytest.raises(PackRefused, match="finance"):
        rig.node.job_node(rig.job().token).put_pack(pack.pack_id, pack.fd, pack.length)


def test_a_tail_sealed_with_another_key_is_refused(rig: Rig) -> None:
    rig.keys = VaultKey.generate().domain_keys("default", 1)
    (pack,) = rig.packs(some_chunks(1))
    with pack, pytest.raises(PackRefused, match="tail"):
        rig.node.job_node(rig.job().token).put_pack(pack.pack_id, pack.fd, pack.length)


# --- who may read what ---


def test_a_restore_sees_and_opens_only_what_it_was_granted(rig: Rig) -> None:
    writer = rig.node.job_node(rig.job(server=THEIRS).token)
    granted = rig.put(writer, some_chunks(2, seed=1), server=THEIRS)
    other = rig.put(writer, some_chunks(2, seed=2), server=THEIRS)
    job = rig.job(rights="restore")
    jobs = rig.node.job_node(job.token)
    assert jobs.locate(ids_of(granted)) == [None, None]
    rig.node.grant(job.job, [granted.pack_id])
    assert [data for _, data in rig.reader(jobs, [granted]).read(ids_of(granted))] == some_chunks(2, seed=1)
    assert jobs.locate(ids_of(other)) == [None, None]
    with pytest.raises(NotAllowed):
        jobs.open_pack(other.pack_id)


def test_what_is_granted_while_the_node_looks_grants_up_is_seen_by_the_next_question(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore asks while its grant grows."""
    pack = rig.put(rig.node.job_node(rig.job().token), some_chunks(1))
    job = rig.job(rights="restore")
    jobs = rig.node.job_node(job.token)
    look = Leases._duplicates

    def look_and_grant(leases: Leases, *arguments: Any) -> list[bytes]:
        found = look(leases, *arguments)
        monkeypatch.undo()
        granting = threading.Thread(target=rig.node.grant, args=(job.job, [pack.pack_id]))
        granting.start()
        granting.join()
        return found

    monkeypatch.setattr(Leases, "_duplicates", look_and_grant)
    assert jobs.locate(ids_of(pack)) == [None]
    assert None not in jobs.locate(ids_of(pack))


def test_a_grant_ends_with_its_lease(rig: Rig) -> None:
    pack = rig.put(rig.node.job_node(rig.job().token), some_chunks(1))
    job = rig.job(rights="restore")
    jobs = rig.node.job_node(job.token)
    rig.node.grant(job.job, [pack.pack_id])
    jobs.open_pack(pack.pack_id).__exit__(None, None, None)
    rig.node.close_lease(job.lease)
    with pytest.raises(LeaseLapsed):
        jobs.open_pack(pack.pack_id)


def test_a_restore_adds_nothing(rig: Rig) -> None:
    jobs = rig.node.job_node(rig.job(rights="restore").token)
    with rig.pack(some_chunks(1)) as pack, pytest.raises(NotAllowed):
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
    with pytest.raises(NotAllowed):
        jobs.stage_snapshot(b"sealed")
    with pytest.raises(NotAllowed):
        jobs.present([ChunkId(bytes(32))])


def test_a_backup_reads_its_own_servers_trees_and_no_others(rig: Rig) -> None:
    own = rig.put(rig.node.job_node(rig.job().token), some_chunks(2, seed=1), kind=PackKind.META)
    theirs_writer = rig.node.job_node(rig.job(server=THEIRS).token)
    theirs = rig.put(theirs_writer, some_chunks(2, seed=2), kind=PackKind.META, server=THEIRS)
    rig.node.mark_proved(theirs.pack_id)
    jobs = rig.node.job_node(rig.job().token)
    assert [data for _, data in rig.reader(jobs, [own], PackKind.META).read(ids_of(own))] == some_chunks(2, seed=1)
    assert jobs.locate(ids_of(theirs)) == [None, None]
    with pytest.raises(NotAllowed):
        jobs.open_pack(theirs.pack_id)


def test_an_unknown_pack_is_named(rig: Rig) -> None:
    with pytest.raises(ObjectMissing, match="00000000"):
        rig.node.job_node(rig.job().token).open_pack(PackId(bytes(32)))


# --- tokens and leases ---


def test_a_token_that_expired_stops_the_job_until_it_brings_a_fresh_one(rig: Rig) -> None:
    job = rig.job()
    jobs = rig.node.job_node(job.token)
    jobs.renew_lease()
    for _ in range(5):  # the lease lives on, since the job calls
        rig.clock.pass_s(800)
        jobs.use_token(rig.token(lease=job.lease, job=job.job, seconds=100))
        jobs.renew_lease()
    jobs.use_token(job.token)
    with pytest.raises(TokenExpired):
        jobs.present([ChunkId(bytes(32))])
    jobs.use_token(rig.token(lease=job.lease, job=job.job))
    assert jobs.present([ChunkId(bytes(32))]) == [False]


def test_a_forged_token_gets_nothing(rig: Rig) -> None:
    job = rig.job()
    forged = rig.token(lease=job.lease, job=job.job, key=VaultKey.generate().token_signing_key())
    jobs = rig.node.job_node(forged)
    for call in (
        lambda: jobs.present([ChunkId(bytes(32))]),
        lambda: jobs.locate([ChunkId(bytes(32))]),
        lambda: jobs.open_pack(PackId(bytes(32))),
        lambda: jobs.stage_snapshot(b"x"),
        jobs.renew_lease,
    ):
        with pytest.raises(TokenForged):
            call()


def test_a_job_without_an_open_lease_is_refused(rig: Rig) -> None:
    jobs = rig.node.job_node(rig.token(lease="lnone"))
    with pytest.raises(LeaseLapsed, match="lnone"):
        jobs.present([ChunkId(bytes(32))])
    with rig.pack(some_chunks(1)) as pack, pytest.raises(LeaseLapsed):
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
    with pytest.raises(LeaseLapsed):
        jobs.stage_snapshot(b"x")


def test_an_empty_snapshot_is_refused(rig: Rig) -> None:
    with pytest.raises(SnapshotRefused):
        rig.node.job_node(rig.job().token).stage_snapshot(b"")


def test_many_jobs_store_at_once(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    rig = Rig(tmp_path)
    packs = [pack for seed in range(12) for pack in rig.packs(some_chunks(3, seed=seed))]
    tokens = [rig.job().token for _ in range(4)]

    def store(number: int) -> None:
        jobs = rig.node.job_node(tokens[number % 4])
        jobs.put_pack(packs[number].pack_id, packs[number].fd, packs[number].length)
        assert jobs.present(ids_of(packs[number])) == [True] * 3

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(store, range(12)))
    assert rig.node.status().packs == 12
    rig.node.close()
