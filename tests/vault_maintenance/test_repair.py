"""Repair saves what can be saved, never makes it worse, and the next backup of the same data heals the rest."""

from pathlib import Path

import pytest

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.vault.layout import snapshot_name
from phoenix_core.vault.mark import MaintenanceCancelled
from phoenix_core.vault.packhead import HEAD_SIZE
from phoenix_core.vault.packinfo import PackState
from phoenix_core.vault.prune import execute as execute_prune
from phoenix_core.vault.prune import make_plan as plan_prune
from phoenix_core.vault.repair import RepairPlan, RepairResult, execute, make_plan
from phoenix_core.vault.verify import VerifyReport, verify_vault
from tests.vault_maintenance.rig import Files, Rig, content, flip

MANY: Files = {f"f{number}": content(number, 400_000) for number in range(6)}
"""Two blocks and more in one pack."""


def verify(rig: Rig) -> VerifyReport:
    return verify_vault(rig.node, rig.key, VerifyDepth.CHUNKS)


def plan(rig: Rig, depth: VerifyDepth = VerifyDepth.CHUNKS) -> RepairPlan:
    return make_plan(rig.node, rig.key, depth)


def repair(rig: Rig, depth: VerifyDepth = VerifyDepth.CHUNKS) -> RepairResult:
    return execute(rig.node, rig.key, plan(rig, depth), open_target=rig.target)


def files_hit(report: VerifyReport) -> set[str]:
    return {file.rpartition("/")[2] for damage in report.damages for file in damage.files}


def write(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def restored(rig: Rig, snapshot: SnapshotId) -> set[str]:
    """The files that a restore gives back, each compared with what was backed up."""
    back = set()
    for name, data in MANY.items():
        try:
            assert rig.restore_file(snapshot, name) == data
            back.add(name)
        except PhoenixError:
            pass
    return back


def test_a_sound_vault_needs_no_repair(rig: Rig) -> None:
    rig.backup(MANY)
    rig.prove_all()
    before = len(list(rig.node.packs()))
    done = repair(rig)
    assert done.left.ok
    assert (done.rescued.chunks, done.rescued.packs, done.mended_index_objects) == (0, 0, 0)
    assert len(list(rig.node.packs())) == before


def test_the_good_blocks_of_a_damaged_pack_are_stored_anew(rig: Rig) -> None:
    snapshot = rig.backup(MANY)
    rig.prove_all()
    (pack,) = rig.pack_files("data")
    flip(pack, HEAD_SIZE + 50)
    hit = files_hit(verify(rig))
    assert 0 < len(hit) < len(MANY)
    good = MANY.keys() - hit
    planned = plan(rig)
    assert planned.rescue_chunks == len(good)
    assert rig.pack_files("data") == [pack]
    done = repair(rig)
    assert done.rescued.chunks == len(good)
    assert files_hit(done.left) == hit
    pack.unlink()
    assert restored(rig, snapshot) == good


def test_a_second_repair_has_nothing_left_to_do(rig: Rig) -> None:
    rig.backup(MANY)
    rig.prove_all()
    flip(rig.pack_files("data")[0], HEAD_SIZE + 50)
    repair(rig)
    packs = rig.pack_files("data")
    assert repair(rig).rescued.chunks == 0
    assert rig.pack_files("data") == packs


@pytest.mark.parametrize("part", ["head", "sealed key", "tail", "footer", "cut off", "grown"])
def test_a_pack_whose_head_or_tail_is_damaged_is_saved_whole(rig: Rig, part: str) -> None:
    snapshot = rig.backup(MANY)
    rig.prove_all()
    (pack,) = rig.pack_files("data")
    data = pack.read_bytes()
    at = {"head": 30, "sealed key": 600, "tail": len(data) - 60, "footer": len(data) - 3}
    if part in at:
        flip(pack, at[part])
    else:
        write(pack, data[:-70] if part == "cut off" else data + bytes(100))
    assert verify(rig).damages
    assert repair(rig).left.ok
    pack.unlink()
    assert restored(rig, snapshot) == MANY.keys()


def test_a_pack_of_which_no_index_object_tells_is_read_by_the_places_in_the_index(rig: Rig) -> None:
    snapshot = rig.backup(MANY)
    rig.prove_all()
    rig.merge()
    for path in (rig.folder / "vault" / "index").iterdir():
        path.unlink()
    (pack,) = rig.pack_files("data")
    write(pack, pack.read_bytes()[:-70])
    assert repair(rig).rescued.chunks == len(MANY)
    pack.unlink()
    assert restored(rig, snapshot) == MANY.keys()


def test_two_packs_that_were_swapped_are_both_saved(rig: Rig) -> None:
    first, second = rig.backup({"a": content(1)}), rig.backup({"b": content(2)}, server="sdb")
    rig.prove_all()
    one, other = rig.pack_files("data")
    data = one.read_bytes()
    write(one, other.read_bytes())
    write(other, data)
    assert files_hit(verify(rig)) == {"a", "b"}
    assert repair(rig).left.ok
    assert rig.restore(first) == {"a": content(1)}
    assert rig.restore(second) == {"b": content(2)}


def test_a_damaged_tree_is_saved_like_data(rig: Rig) -> None:
    snapshot = rig.backup({"a": content(1)})
    rig.prove_all()
    (pack,) = rig.pack_files("meta")
    flip(pack, 600)
    assert files_hit(verify(rig)) == {""}
    assert repair(rig).left.ok
    assert rig.restore(snapshot) == {"a": content(1)}


def test_a_pack_that_was_put_back_is_usable_again(rig: Rig) -> None:
    snapshot = rig.backup({"a": content(1)})
    (pack,) = rig.pack_files("data")
    data = pack.read_bytes()
    pack.unlink()
    assert files_hit(verify(rig)) == {"a"}
    pack.write_bytes(data)
    planned = plan(rig, VerifyDepth.STRUCTURE)
    assert len(planned.found.returned) == 1
    assert planned.found.ok
    assert all(info.state is PackState.USABLE for info in rig.node.packs())
    assert rig.restore(snapshot) == {"a": content(1)}


@pytest.mark.parametrize(("length", "rescued"), [(300_000, 0), (50_000, 1)])
def test_what_servers_share_is_not_written_again_where_another_has_it(rig: Rig, length: int, rescued: int) -> None:
    """What is short each server keeps for itself."""
    rig.backup({"a": content(1, length)})
    (pack,) = rig.pack_files("data")
    rig.backup({"a": content(1, length)}, server="sdb")
    rig.prove_all()
    flip(pack, pack.stat().st_size - 40)
    done = repair(rig)
    assert done.left.ok
    assert done.rescued.chunks == rescued


def test_the_next_backup_heals_what_no_repair_can_save(rig: Rig) -> None:
    first = rig.backup(MANY)
    second = rig.backup(MANY | {"new": content(99)})
    rig.prove_all()
    flip(rig.pack_files("data")[0], HEAD_SIZE + 50)
    assert not repair(rig).left.ok
    rig.backup(MANY | {"new": content(99)})
    rig.prove_all()
    assert verify(rig).ok
    assert rig.restore(first) == MANY
    assert rig.restore(second) == MANY | {"new": content(99)}


def test_prune_keeps_a_damaged_pack_until_nothing_needs_it(rig: Rig) -> None:
    rig.backup(MANY)
    rig.prove_all()
    (pack,) = rig.pack_files("data")
    flip(pack, HEAD_SIZE + 50)
    repair(rig)
    prune(rig)
    assert pack.exists()
    rig.backup(MANY)
    rig.prove_all()
    prune(rig)
    assert not pack.exists()
    assert verify(rig).unneeded == ()


def test_prune_keeps_a_lost_pack_whose_other_copy_is_damaged(rig: Rig) -> None:
    snapshot = rig.backup({"a": content(1)})
    (lost,) = rig.pack_files("data")
    rig.backup({"a": content(1)}, server="sdb")
    rig.prove_all()
    (damaged,) = set(rig.pack_files("data")) - {lost}
    flip(damaged, HEAD_SIZE + 50)
    data = lost.read_bytes()
    lost.unlink()
    assert files_hit(verify(rig)) == {"a"}
    prune(rig)
    lost.write_bytes(data)
    assert verify(rig).ok
    assert rig.restore(snapshot) == {"a": content(1)}


def test_an_ended_repair_is_done_again(rig: Rig) -> None:
    snapshot = rig.backup({"a": content(1)})
    rig.backup({"b": content(2)}, server="sdb")
    rig.prove_all()
    for pack in rig.pack_files("data"):
        flip(pack, pack.stat().st_size - 40)
    planned = plan(rig)
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 1

    with pytest.raises(MaintenanceCancelled):
        execute(rig.node, rig.key, planned, open_target=rig.target, cancelled=cancelled)
    assert rig.restore(snapshot) == {"a": content(1)}
    assert repair(rig).left.ok


@pytest.mark.parametrize("harm", ["flipped", "deleted", "swapped"])
def test_damaged_index_objects_are_found_and_written_anew(rig: Rig, harm: str) -> None:
    for number in range(2):
        rig.backup({f"a{number}": content(number)})
        rig.merge()
    rig.prove_all()
    one, other = sorted((rig.folder / "vault" / "index").iterdir())
    if harm == "flipped":
        flip(one, 1000)
    elif harm == "deleted":
        one.unlink()
    else:
        data = one.read_bytes()
        write(one, other.read_bytes())
        write(other, data)
    assert any("index object" in damage.what for damage in verify(rig).damages)
    assert repair(rig).left.ok
    assert rig.node.rebuild_index().packs == 4
    assert verify(rig).ok


def test_a_lost_snapshot_is_named_and_not_made_up(rig: Rig) -> None:
    snapshot = rig.backup({"a": content(1)})
    rig.prove_all()
    (rig.folder / "vault" / snapshot_name(snapshot)).unlink()
    done = repair(rig)
    assert done.left.damages[0].snapshots == (snapshot,)
    assert not (rig.folder / "vault" / snapshot_name(snapshot)).exists()


def test_a_snapshot_of_which_no_record_tells_any_more_is_named(rig: Rig) -> None:
    snapshot = rig.backup({"a": content(1)})
    (rig.folder / "vault" / "records" / f"{1:016}").unlink()
    (rig.folder / "vault" / snapshot_name(snapshot)).unlink()
    report = verify_vault(rig.node, rig.key, VerifyDepth.STRUCTURE, last_record=1, expected=[snapshot])
    assert any(damage.snapshots == (snapshot,) for damage in report.damages)
    assert any("rolled back" in damage.what for damage in report.damages)


def prune(rig: Rig) -> None:
    execute_prune(rig.node, rig.key, plan_prune(rig.node, rig.key), open_target=rig.target, wait_s=1)
