"""The index can always be made anew from the vault, and answers as before."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.storage.errors import LeaseLapsed, StorageBusy, VaultGone
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.merged import MergedEntry, decode, encode
from phoenix_core.storage.rebuild import Rebuild
from phoenix_core.vault.environment import Environment, Txn
from phoenix_core.vault.errors import PackDamaged, UnknownVersion
from phoenix_core.vault.index_errors import IndexDamaged, IndexFull, IndexMissing
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import Location
from phoenix_core.vault.packinfo import PackState
from tests.storage.faulty import FaultyStore
from tests.storage.rig import Rig, ids_of, some_chunks


def fill(rig: Rig, packs: int, job_packs: int = 0) -> list[ChunkId]:
    """Several packs of both kinds; ids of all their chunks."""
    job = rig.job()
    jobs = rig.node.job_node(job.token)
    ids: list[ChunkId] = []
    for seed in range(packs):
        kind = PackKind.META if seed % 2 else PackKind.DATA
        ids += ids_of(rig.put(jobs, some_chunks(3, size=2000, seed=seed), kind=kind))
    rig.node.close_lease(job.lease)
    return ids


def answers(rig: Rig, ids: list[ChunkId]) -> list[list[Location]]:
    return [sorted(places, key=lambda place: place.pack_id) for places in rig.node.locate_all(ids)]


def lose_index(rig: Rig) -> None:
    rig.node.close()
    shutil.rmtree(rig.folder / "index")
    rig.start()


def merged_objects(rig: Rig) -> list[Path]:
    return sorted((rig.folder / "vault" / "index").glob("*"))


@pytest.mark.parametrize("packs", [1, 5, 20])
def test_a_deleted_index_is_an_error_until_it_is_rebuilt_and_then_answers_as_before(rig: Rig, packs: int) -> None:
    ids = fill(rig, packs)
    before = answers(rig, ids)
    lose_index(rig)
    assert not rig.node.status().index_complete
    with pytest.raises(IndexMissing) as raised:
        rig.node.locate(ids)
    assert "phoenix vault rebuild-index" in raised.value.what_to_do
    result = rig.node.rebuild_index()
    assert (result.packs, result.chunks, result.unreadable) == (packs, len(ids), ())
    assert rig.node.status().index_complete
    assert answers(rig, ids) == before
    rig.restart()
    assert answers(rig, ids) == before


def test_a_rebuild_that_the_indexs_disk_is_too_full_for_leaves_the_old_index_in_use(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its writes is the one that fails."""
    ids = fill(rig, 3)
    before = answers(rig, ids)
    write, left = Environment.write, [0]

    def write_until_full(environment: Environment, work: Callable[[Txn], object]) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise IndexFull(folder=environment.folder)
        return write(environment, work)

    for after in range(100):
        with monkeypatch.context() as full:
            full.setattr(Environment, "write", write_until_full)
            left[0] = after
            try:
                rig.node.rebuild_index()
            except IndexFull:
                assert answers(rig, ids) == before, f"after {after} writes"
            else:
                break
    assert after > 5
    assert answers(rig, ids) == before
    rig.restart()
    assert answers(rig, ids) == before


def test_a_rebuild_reads_merged_objects_and_then_only_the_packs_they_lack(tmp_path: Path) -> None:
    store = FaultyStore(LocalStore(tmp_path / "vault"))
    rig = Rig(tmp_path, store=store)
    ids = fill(rig, 20)
    assert len(merged_objects(rig)) == 1
    before = answers(rig, ids)
    job = rig.job()
    late = rig.put(rig.node.job_node(job.token), some_chunks(1, seed=99))
    store.faults.steps.clear()
    rig.node.rebuild_index()
    assert store.faults.steps.count("get") <= 3  # the merged object, and head and tail of the one pack
    assert answers(rig, ids) == before
    assert rig.node.locate(ids_of(late))[0] is not None
    rig.node.close()


def test_a_damaged_merged_object_is_dropped_and_the_packs_are_read(rig: Rig) -> None:
    ids = fill(rig, 20)
    before = answers(rig, ids)
    (merged,) = merged_objects(rig)
    merged.chmod(0o600)
    content = bytearray(merged.read_bytes())
    content[len(content) // 2] ^= 1
    merged.write_bytes(content)
    lose_index(rig)
    assert rig.node.rebuild_index().packs == 20
    assert answers(rig, ids) == before
    (again,) = merged_objects(rig)
    assert len(decode(again.read_bytes())) == 20


def test_an_entry_of_a_pack_that_is_gone_is_void(rig: Rig) -> None:
    ids = fill(rig, 20)
    gone = next(iter(rig.node.stored_packs()))[0]
    lost = [place.pack_id == gone for places in rig.node.locate_all(ids) for place in places]
    (path,) = (rig.folder / "vault").rglob(gone.hex())
    lose_index(rig)
    path.unlink()
    assert rig.node.rebuild_index().packs == 19
    assert [place is None for place in rig.node.locate(ids)] == lost


def test_a_pack_that_can_not_be_read_is_named_and_the_rest_is_there(rig: Rig) -> None:
    ids = fill(rig, 5)
    victim = next(iter(rig.node.stored_packs()))[0]
    (path,) = (rig.folder / "vault").rglob(victim.hex())
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    lose_index(rig)
    result = rig.node.rebuild_index()
    assert result.unreadable == (victim.hex(),)
    assert (result.packs, result.lost) == (5, ())
    assert rig.node.status().damaged_packs == 1
    assert sum(place is None for place in rig.node.locate(ids)) == 3
    assert rig.node.rebuild_index().unreadable == (victim.hex(),)
    rig.restart()
    assert rig.node.status().damaged_packs == 1


@pytest.mark.parametrize("harm", ["truncated", "gone"])
def test_a_pack_that_the_old_index_knew_stays_known_with_what_is_in_it(rig: Rig, harm: str) -> None:
    ids = fill(rig, 5)
    victim = next(iter(rig.node.stored_packs()))[0]
    (path,) = (rig.folder / "vault").rglob(victim.hex())
    whole = path.read_bytes()
    path.unlink()
    if harm == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    result = rig.node.rebuild_index()
    assert (result.unreadable, result.lost) == (((victim.hex(),), ()) if harm == "truncated" else ((), (victim.hex(),)))
    assert rig.node.status().damaged_packs == 1
    copies = rig.node.locate_all(ids, lost=True)
    assert all(len(places) == 1 for places in copies)
    assert sum(place.pack_id == victim for places in copies for place in places) == 3
    assert not any(rig.node.job_node(rig.job().token).present(_ids_in_places(ids, copies, victim)))
    path.unlink(missing_ok=True)
    path.write_bytes(whole)
    result = rig.node.rebuild_index()
    assert (result.packs, result.unreadable, result.lost) == (5, (), ())
    assert None not in rig.node.locate(ids)


def _ids_in_places(ids: list[ChunkId], copies: list[list[Location]], pack: PackId) -> list[ChunkId]:
    return [chunk for chunk, places in zip(ids, copies, strict=True) if places[0].pack_id == pack]


def test_proofs_states_leases_and_grants_are_carried_over_from_an_index_that_can_be_read(rig: Rig) -> None:
    fill(rig, 4)
    proved, damaged, granted, told = (pack for pack, _ in rig.node.stored_packs())
    rig.node.mark_proved(proved)
    rig.node.mark_damaged(damaged, PackState.DAMAGED)
    backup, restore = rig.job(), rig.job(rights="restore")
    rig.node.grant(restore.job, [granted])
    rig.node.job_node(backup.token).present(_ids_in(rig, told))
    sweep_free = rig.node.condemn([proved])
    rig.node.rebuild_index()
    infos = {PackId(info.pack_id): info for info in rig.node.packs()}
    assert infos[proved].proved
    assert infos[proved].state is PackState.USABLE
    assert infos[damaged].state is PackState.DAMAGED
    assert None not in rig.node.job_node(restore.token).locate(_ids_in(rig, granted))
    rig.node.job_node(backup.token).renew_lease()
    again = rig.node.condemn([told, granted, proved])
    assert again > 0
    assert sweep_free > 0
    states = {PackId(info.pack_id): info.state for info in rig.node.packs()}
    assert states[told] is PackState.USABLE
    assert states[granted] is PackState.USABLE
    assert states[proved] is PackState.CONDEMNED


def _ids_in(rig: Rig, pack_id: PackId) -> list[ChunkId]:
    from phoenix_core.vault.packreader import read_tail

    info = rig.node.pack_info(pack_id)
    assert info is not None
    with rig.node.open_pack(pack_id) as opened:
        tail = read_tail(opened, info.bytes, rig.keys.index_key)
    return [chunk for block in tail.blocks for chunk, _, _ in block.chunks()]


def test_leases_of_a_lost_index_have_lapsed(rig: Rig) -> None:
    fill(rig, 1)
    job = rig.job()
    lose_index(rig)
    rig.node.rebuild_index()
    with pytest.raises(LeaseLapsed):
        rig.node.job_node(job.token).stage_snapshot(b"sealed")


@pytest.mark.parametrize("damage", ["rubbish", "truncate", "empty"])
def test_a_damaged_index_is_an_error_until_it_is_rebuilt(rig: Rig, damage: str) -> None:
    ids = fill(rig, 5)
    before = answers(rig, ids)
    rig.node.close()
    data = rig.folder / "index" / "current" / "data.mdb"
    if damage == "rubbish":
        data.write_bytes(os.urandom(100_000))
    else:
        os.truncate(data, 0 if damage == "empty" else data.stat().st_size // 2)
    rig.start()
    status = rig.node.status()
    assert not status.index_complete
    with pytest.raises((IndexDamaged, IndexMissing)):
        rig.node.locate(ids)
    with pytest.raises((IndexDamaged, IndexMissing)):
        rig.job()
    rig.node.rebuild_index()
    assert answers(rig, ids) == before


def test_a_healthy_index_may_be_rebuilt_while_jobs_run(rig: Rig) -> None:
    from concurrent.futures import ThreadPoolExecutor

    ids = fill(rig, 5)
    before = answers(rig, ids)
    packs = [pack for seed in range(100, 110) for pack in rig.packs(some_chunks(2, seed=seed))]
    job = rig.job()

    def store(number: int) -> None:
        jobs = rig.node.job_node(job.token)
        jobs.put_pack(packs[number].pack_id, packs[number].fd, packs[number].length)
        assert jobs.present(ids_of(packs[number])) == [True, True]

    with ThreadPoolExecutor(4) as threads:
        done = threads.map(store, range(10))
        for _ in range(3):
            rig.node.rebuild_index()
        list(done)
    assert answers(rig, ids) == before
    jobs = rig.node.job_node(job.token)
    assert all(jobs.present([chunk for pack in packs for chunk in ids_of(pack)]))


def test_two_rebuilds_at_once_are_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(rig, 1)

    def second(self: object) -> None:
        with pytest.raises(StorageBusy):
            rig.node.rebuild_index()

    monkeypatch.setattr(Rebuild, "fill", second)
    rig.node.rebuild_index()


def test_a_rebuild_that_fails_leaves_the_old_index(tmp_path: Path) -> None:
    store = FaultyStore(LocalStore(tmp_path / "vault"))
    rig = Rig(tmp_path, store=store)
    ids = fill(rig, 3)
    before = answers(rig, ids)
    store.faults.fail("list")
    with pytest.raises(Exception, match="Input/output error"):
        rig.node.rebuild_index()
    assert answers(rig, ids) == before
    assert not (tmp_path / "index" / "building").exists()
    rig.node.close()


def test_an_index_that_fell_behind_catches_up_at_the_start(rig: Rig) -> None:
    fill(rig, 3)
    rig.node.close()
    shutil.copytree(rig.folder / "index", rig.folder / "old-index")
    rig.start()
    late = rig.put(rig.node.job_node(rig.job().token), some_chunks(2, seed=50))
    rig.node.close()
    shutil.rmtree(rig.folder / "index")
    (rig.folder / "old-index").rename(rig.folder / "index")
    rig.start()
    assert None not in rig.node.locate(ids_of(late))


def test_a_pack_that_vanished_is_lost_and_usable_when_it_is_back(rig: Rig) -> None:
    ids = fill(rig, 2)
    victim = next(iter(rig.node.stored_packs()))[0]
    (path,) = (rig.folder / "vault").rglob(victim.hex())
    rig.node.close()
    path.rename(rig.folder / "aside")
    rig.start()
    assert rig.node.status().damaged_packs == 1
    assert sum(place is None for place in rig.node.locate(ids)) == 3
    rig.node.close()
    (rig.folder / "aside").rename(path)
    rig.start()
    assert rig.node.status().damaged_packs == 0
    assert None not in rig.node.locate(ids)


def test_a_vault_whose_disk_is_not_mounted_is_not_taken_for_an_empty_one(rig: Rig) -> None:
    ids = fill(rig, 3)
    rig.node.mark_proved(next(iter(rig.node.stored_packs()))[0])
    rig.node.close()
    (rig.folder / "vault").rename(rig.folder / "aside")
    rig.start()
    with pytest.raises(VaultGone, match="knows 3"):
        rig.node.locate(ids)
    status = rig.node.status()
    assert not status.index_complete
    assert status.problem is not None
    assert status.problem.code == "vault_gone"
    with pytest.raises(VaultGone):
        rig.node.rebuild_index()
    rig.node.close()
    shutil.rmtree(rig.folder / "vault")
    (rig.folder / "aside").rename(rig.folder / "vault")
    rig.start()
    assert None not in rig.node.locate(ids)
    assert rig.node.status().unproved_packs == 2


# --- merged objects ---


def test_swept_packs_make_a_merged_object_shrink(rig: Rig) -> None:
    fill(rig, 20)
    packs = [pack for pack, _ in rig.node.stored_packs()]
    (before,) = merged_objects(rig)
    rig.node.sweep(rig.node.condemn(packs[:15]))
    (after,) = merged_objects(rig)
    assert after != before
    assert {entry.pack_id for entry in decode(after.read_bytes())} == set(packs[15:])


ENTRY = MergedEntry(PackKind.DATA, bytes(32), 5000, b"h" * 1288, b"tail")


def test_a_merged_object_is_read_back() -> None:
    assert decode(encode([ENTRY, ENTRY])) == [ENTRY, ENTRY]
    assert decode(encode([])) == []


@pytest.mark.parametrize("at", [0, 20, 700, -1])
def test_a_changed_merged_object_is_found_out(at: int) -> None:
    content = bytearray(encode([ENTRY]))
    content[at] ^= 1
    with pytest.raises(PackDamaged):
        decode(bytes(content))


def test_a_merged_object_of_a_later_version_says_so() -> None:
    from blake3 import blake3

    body = encode([ENTRY])[:-32]
    later = body[:8] + b"\x02" + body[9:]
    with pytest.raises(UnknownVersion):
        decode(later + blake3(later).digest())
