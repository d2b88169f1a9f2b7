"""Verify finds every kind of damage, and names the snapshots and files that it hits."""

import pytest

from phoenix_core.domain.states import VerifyDepth
from phoenix_core.vault.annotation import Annotation, Aside, Hold
from phoenix_core.vault.errors import VaultError
from phoenix_core.vault.layout import record_name, snapshot_name
from phoenix_core.vault.mark import MaintenanceCancelled
from phoenix_core.vault.packhead import HEAD_SIZE
from phoenix_core.vault.prune import execute, make_plan
from phoenix_core.vault.verify import GAPS_NAMED, VerifyReport, verify_vault
from tests.vault_maintenance.rig import Rig, content, flip

DEPTHS = list(VerifyDepth)


def verify(rig: Rig, depth: VerifyDepth, last_record: int = 0) -> VerifyReport:
    return verify_vault(rig.node, rig.key, depth, last_record=last_record)


def files_hit(report: VerifyReport) -> set[str]:
    return {file for damage in report.damages for file in damage.files}


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_sound_vault_has_no_damage(rig: Rig, depth: VerifyDepth) -> None:
    rig.backup({"a": content(1), "b": content(2)})
    rig.backup({"a": content(1), "c": content(3)}, server="sdb")
    report = verify(rig, depth)
    assert report.ok
    assert (report.snapshots, report.files) == (2, 4)
    assert (report.bytes_read > 0) == (depth is not VerifyDepth.STRUCTURE)
    assert (report.chunks > 0) == (depth is VerifyDepth.CHUNKS)


@pytest.mark.parametrize("depth", [VerifyDepth.PACKS, VerifyDepth.CHUNKS])
def test_a_flipped_byte_in_a_data_pack_names_the_files_that_need_it(rig: Rig, depth: VerifyDepth) -> None:
    first = rig.backup({"a": content(1)})
    second = rig.backup({"a": content(1), "b": content(2)}, parent=first)
    hit = next(path for path in rig.pack_files("data") if path.name == _pack_of(rig, second).hex())
    flip(hit, HEAD_SIZE + 100)
    report = verify(rig, depth)
    assert not report.ok
    assert files_hit(report) == {f"{second[:12]}:/srv/b"}
    with pytest.raises(VaultError):
        rig.restore(second)
    assert rig.restore(first) == {"a": content(1)}


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_truncated_pack_is_found_at_every_depth(rig: Rig, depth: VerifyDepth) -> None:
    snapshot = rig.backup({"a": content(1)})
    path = rig.pack_files("data")[0]
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(HEAD_SIZE + 200)
    report = verify(rig, depth)
    assert files_hit(report) == {f"{snapshot[:12]}:/srv/a"}


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_deleted_pack_is_found_at_every_depth(rig: Rig, depth: VerifyDepth) -> None:
    snapshot = rig.backup({"a": content(1), "b": content(2)})
    rig.pack_files("data")[0].unlink()
    report = verify(rig, depth)
    assert files_hit(report) == {f"{snapshot[:12]}:/srv/a", f"{snapshot[:12]}:/srv/b"}
    assert report.damages[0].snapshots == (snapshot,)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_damaged_tree_hits_the_folder(rig: Rig, depth: VerifyDepth) -> None:
    snapshot = rig.backup({"a": content(1)})
    flip(rig.pack_files("meta")[0], HEAD_SIZE + 20)
    report = verify(rig, depth)
    assert not report.ok
    assert files_hit(report) == {f"{snapshot[:12]}:/"}


@pytest.mark.parametrize("part", ["head", "tail"])
def test_damage_in_head_or_tail_is_found(rig: Rig, part: str) -> None:
    rig.backup({"a": content(1)})
    path = rig.pack_files("data")[0]
    flip(path, 50 if part == "head" else path.stat().st_size - 40)
    assert not verify(rig, VerifyDepth.PACKS).ok
    assert not verify(rig, VerifyDepth.CHUNKS).ok


def test_what_verify_found_damaged_is_stored_anew_by_the_next_backup(rig: Rig) -> None:
    first = rig.backup({"a": content(1)})
    rig.pack_files("data")[0].unlink()
    assert not verify(rig, VerifyDepth.STRUCTURE).ok
    rig.backup({"a": content(1)})
    assert rig.restore(first) == {"a": content(1)}


def test_what_was_healed_is_no_damage_any_more_and_goes_with_the_next_prune(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    flip(rig.pack_files("data")[0], HEAD_SIZE + 5)
    assert not verify(rig, VerifyDepth.CHUNKS).ok
    rig.backup({"a": content(1)})
    rig.prove_all()
    for depth in DEPTHS:
        report = verify(rig, depth)
        assert report.ok
        assert len(report.unneeded) == 1
    execute(rig.node, rig.key, make_plan(rig.node, rig.key), open_target=rig.target, wait_s=1)
    assert verify(rig, VerifyDepth.CHUNKS).unneeded == ()
    assert rig.node.status().damaged_packs == 0


def test_the_verify_of_one_snapshot_reads_only_what_it_needs(rig: Rig) -> None:
    one = rig.backup({"a": content(1)})
    rig.backup({"b": content(2, 3_000_000)})
    before = set(rig.pack_files("data"))
    damaged = rig.backup({"c": content(3)})
    (pack,) = set(rig.pack_files("data")) - before
    alone = verify_vault(rig.node, rig.key, VerifyDepth.CHUNKS, [one])
    assert alone.ok
    assert alone.bytes_read < 100_000
    flip(pack, HEAD_SIZE + 5)
    assert verify_vault(rig.node, rig.key, VerifyDepth.CHUNKS, [one]).ok
    assert files_hit(verify_vault(rig.node, rig.key, VerifyDepth.CHUNKS, [damaged])) == {f"{damaged[:12]}:/srv/c"}


def test_a_deleted_snapshot_object_is_found(rig: Rig) -> None:
    snapshot = rig.backup({"a": content(1)})
    (rig.folder / "vault" / snapshot_name(snapshot)).unlink()
    report = verify(rig, VerifyDepth.STRUCTURE)
    assert report.damages[0].snapshots == (snapshot,)


def test_a_changed_snapshot_object_is_found(rig: Rig) -> None:
    snapshot = rig.backup({"a": content(1)})
    flip(rig.folder / "vault" / snapshot_name(snapshot), 200)
    assert verify(rig, VerifyDepth.STRUCTURE).damages[0].snapshots == (snapshot,)


def test_a_deleted_record_is_found(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    rig.backup({"a": content(2)})
    sorted((rig.folder / "vault" / "records").iterdir())[0].unlink()
    assert any("gone" in damage.what for damage in verify(rig, VerifyDepth.STRUCTURE).damages)


def test_each_damaged_record_is_told_of_and_none_that_follows_one(rig: Rig) -> None:
    for number in range(6):
        rig.backup({"a": content(number)})
    records = sorted((rig.folder / "vault" / "records").iterdir())
    records[1].unlink()
    flip(records[2], 100)
    flip(records[4], 100)
    told = [damage.what for damage in verify(rig, VerifyDepth.STRUCTURE).damages if damage.what.startswith("Record")]
    assert [text.split()[1] for text in told] == ["2", "3", "5"]


def test_a_record_of_an_unknown_version_is_told_of_by_its_number(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    flip(rig.folder / "vault" / record_name(1), 8)
    report = verify(rig, VerifyDepth.STRUCTURE)
    assert any(damage.what.startswith("Record 1: This record has format version 65,") for damage in report.damages)


def test_a_rolled_back_vault_is_found(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    assert verify(rig, VerifyDepth.STRUCTURE, last_record=1).ok
    assert any("rolled back" in damage.what for damage in verify(rig, VerifyDepth.STRUCTURE, last_record=2).damages)


def test_a_snapshot_whose_commit_no_record_tells_of_is_named_though_others_tell_of_its_hold(rig: Rig) -> None:
    snapshot, aside = rig.backup({"a": content(1)}), rig.backup({"a": content(2)})
    chain = rig.chain()
    chain.annotate(chain.live()[snapshot], Annotation(hold=Hold("audit", "anna", 5)))
    chain.set_aside(chain.live()[aside], Aside("bob", 60))
    (rig.folder / "vault" / record_name(1)).unlink()
    flip(rig.folder / "vault" / record_name(2), 100)
    report = verify_vault(rig.node, rig.key, VerifyDepth.STRUCTURE, expected=[snapshot, aside])
    assert {name for damage in report.damages for name in damage.snapshots} == {snapshot, aside}


def test_a_pack_that_reads_well_again_is_usable_again(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    path = rig.pack_files("data")[0]
    flip(path, HEAD_SIZE + 5)
    assert not verify(rig, VerifyDepth.CHUNKS).ok
    flip(path, HEAD_SIZE + 5)
    assert verify(rig, VerifyDepth.CHUNKS).ok
    assert verify(rig, VerifyDepth.STRUCTURE).ok


def test_a_cancelled_verify_ends(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    with pytest.raises(MaintenanceCancelled):
        verify_vault(rig.node, rig.key, VerifyDepth.CHUNKS, cancelled=lambda: True)


def _pack_of(rig: Rig, snapshot: str) -> bytes:
    """The data pack that the snapshot's backup wrote."""
    from phoenix_core.domain.ids import SnapshotId
    from phoenix_core.vault.corereader import CoreReader

    packs = set(CoreReader(rig.node, rig.key).snapshot(SnapshotId(snapshot)).packs)
    return next(info.pack_id for info in rig.node.packs() if info.kind == "data" and info.pack_id in packs)


def test_objects_under_far_numbers_do_not_make_the_report_endless(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    for number in range(2000, 12_000, 2000):
        path = rig.folder / "vault" / record_name(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no record")
    damages = verify(rig, VerifyDepth.STRUCTURE).damages
    assert sum("it is gone" in damage.what for damage in damages) == GAPS_NAMED
    assert sum("has 9 bytes" in damage.what for damage in damages) == 5
