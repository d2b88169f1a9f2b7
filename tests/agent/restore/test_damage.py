"""Damage in the vault is never restored silently: the files that it hits are missing, the others come back."""

import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from phoenix_core.agent.restore import largeparts
from phoenix_core.agent.restore.blockplan import BlockPlan
from phoenix_core.agent.restore.blocksource import BlockSource
from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.agent.restore.packshelf import PackShelf
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.storage.errors import ObjectCold
from phoenix_core.vault.entry import ChunkRef
from phoenix_core.vault.location import BlockRef, Location
from phoenix_core.vault.packreader import read_tail
from tests.agent.restore.rig import RestoreRig

FILES = 40
SIZE = 200_000


@pytest.fixture
def snapshot(rig: RestoreRig) -> BackupResult:
    """40 files that don't compress, five to a block, in four folders."""
    for number in range(FILES):
        folder = rig.source / f"folder {number % 4}"
        folder.mkdir(exist_ok=True)
        (folder / f"file {number}").write_bytes(random.Random(number).randbytes(SIZE))
    return rig.backup()


def packs(rig: RestoreRig, kind: str) -> list[Path]:
    return sorted(path for path in (rig.vault.folder / "vault" / "packs" / kind).rglob("*") if path.is_file())


def spoil(path: Path, change: Callable[[bytearray], None]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.chmod(0o600)
    path.write_bytes(data)


def flip(at: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[at] ^= 1

    return change


def cut(length: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        del data[length:]

    return change


def assert_rest_is_right(rig: RestoreRig, snapshot: BackupResult, **more: int) -> list[str]:
    """Restores; returns the missing files. All others must be there, equal; the missing ones not at all."""
    result = rig.restore(snapshot, **more)
    missing = [each.path for each in result.missing]
    assert {each.reason for each in result.missing} <= {"damaged"}
    assert result.missing_count == len(missing)
    for path in rig.source.rglob("file *"):
        restored = rig.target / str(path)[1:]
        if str(path) in missing:
            assert not restored.exists()
        else:
            assert restored.read_bytes() == path.read_bytes()
    assert list(rig.target.rglob(".phoenix-*")) == []
    return missing


@pytest.mark.parametrize("workers", [0, 2])
def test_a_flipped_bit_makes_the_files_of_its_block_missing(
    rig: RestoreRig, snapshot: BackupResult, workers: int
) -> None:
    pack = max(packs(rig, "data"), key=lambda path: path.stat().st_size)
    spoil(pack, flip(pack.stat().st_size // 2))
    missing = assert_rest_is_right(rig, snapshot, workers=workers)
    assert 1 <= len(missing) <= 7


def test_every_part_of_a_pack_counts(rig: RestoreRig, snapshot: BackupResult) -> None:
    """A bit flipped in the head spoils all blocks, in a block only that one, in tail and footer none."""
    pack = max(packs(rig, "data"), key=lambda path: path.stat().st_size)
    whole = pack.read_bytes()
    with rig.vault.node.open_pack(PackId(bytes.fromhex(pack.name))) as opened:
        tail = read_tail(opened, len(whole), rig.vault.keys.index_key)
    counts = []
    for at in (100, tail.blocks[0].offset, tail.blocks[0].offset + 5000, tail.body_end + 10, len(whole) - 3):
        spoil(pack, flip(at))
        counts.append(len(assert_rest_is_right(rig, snapshot)))
        pack.write_bytes(whole)
    in_blocks = [len(list(block.chunks())) for block in tail.blocks]
    assert counts == [sum(in_blocks), in_blocks[0], in_blocks[0], 0, 0]


@pytest.mark.parametrize("change", [cut(100), cut(400_000), cut(0), None])
def test_a_truncated_or_deleted_pack(
    rig: RestoreRig, snapshot: BackupResult, change: Callable[[bytearray], None] | None
) -> None:
    pack = max(packs(rig, "data"), key=lambda path: path.stat().st_size)
    if change is None:
        pack.unlink()
    else:
        spoil(pack, change)
    assert assert_rest_is_right(rig, snapshot)


def test_packs_exchanged_for_one_another(rig: RestoreRig, snapshot: BackupResult) -> None:
    (rig.source / "folder 0" / "file later").write_bytes(random.Random(99).randbytes(SIZE))
    before = set(packs(rig, "data"))
    later = rig.backup(parent=snapshot)
    (new,) = set(packs(rig, "data")) - before
    old = max(before, key=lambda path: path.stat().st_size)
    one, two = new.read_bytes(), old.read_bytes()
    for path, data in ((new, two), (old, one)):
        path.chmod(0o600)
        path.write_bytes(data)
    assert str(rig.source / "folder 0" / "file later") in assert_rest_is_right(rig, later)


def test_a_damaged_tree_makes_its_folder_missing(rig: RestoreRig, snapshot: BackupResult) -> None:
    (rig.source / "folder 4").mkdir()
    (rig.source / "folder 4" / "file late").write_bytes(b"late")
    before = set(packs(rig, "meta"))
    later = rig.backup(parent=snapshot)
    entry = rig.vault.entries(later.snapshot_id)[os.fsencode(rig.source / "folder 0")]
    place = rig.vault.node.locate([entry.tree])[0]  # type: ignore[list-item]
    assert place is not None
    pack = next(path for path in before if path.name == place.pack_id.hex())
    spoil(pack, flip(place.block_offset + 20))
    result = rig.restore(later)
    assert str(rig.source / "folder 0") in {each.path for each in result.missing}
    assert (rig.restored / "folder 4" / "file late").read_bytes() == b"late"


def test_keys_that_the_core_cannot_give_make_only_their_files_missing(rig: RestoreRig, snapshot: BackupResult) -> None:
    """The core opens heads; one that is damaged must not keep the keys of the others back."""
    (rig.source / "folder 0" / "file later").write_bytes(random.Random(99).randbytes(SIZE))
    before = set(packs(rig, "data"))
    later = rig.backup(parent=snapshot)
    (new,) = set(packs(rig, "data")) - before
    spoil(new, flip(700))
    assert assert_rest_is_right(rig, later) == [str(rig.source / "folder 0" / "file later")]


def test_what_keeps_a_pack_from_being_read_is_told_as_it_is() -> None:
    def cold(refs: Sequence[BlockRef]) -> list[bytes]:
        raise ObjectCold(name="pack")

    chunk = ChunkId(bytes(32))
    plan = BlockPlan(lambda ids: [Location(PackId(bytes(32)), 0, 100, 100, 0, 10) for _ in ids], cold)
    blocks, places = plan.for_chunks([ChunkRef(chunk, 10)])
    source = BlockSource(PackShelf(lambda pack_id: pytest.fail("it was read")), bytes(32))
    source.use(blocks, places)
    with pytest.raises(RemoteError) as caught:
        source.read_one(chunk)
    assert damage_reason(caught.value) == ObjectCold.code


def test_hard_links_of_a_damaged_file_are_missing_too(rig: RestoreRig) -> None:
    (rig.source / "file a").write_bytes(random.Random(1).randbytes(SIZE))
    for name in ("file b", "file c"):
        os.link(rig.source / "file a", rig.source / name)
    snapshot = rig.backup()
    for pack in packs(rig, "data"):
        spoil(pack, flip(2000))
    assert len(assert_rest_is_right(rig, snapshot)) == 3


def test_a_large_file_with_one_bad_block_is_missing(rig: RestoreRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(largeparts, "LARGE_BYTES", 4 * 2**20)
    monkeypatch.setattr(largeparts, "PART_BYTES", 2**20)
    (rig.source / "file large").write_bytes(random.Random(1).randbytes(20 * 2**20))
    (rig.source / "file small").write_bytes(b"small")
    snapshot = rig.backup()
    pack = max(packs(rig, "data"), key=lambda path: path.stat().st_size)
    whole = pack.read_bytes()
    spoil(pack, flip(len(whole) // 2))
    assert assert_rest_is_right(rig, snapshot, workers=2) == [str(rig.source / "file large")]
    pack.write_bytes(whole)
    assert assert_rest_is_right(rig, snapshot, workers=2) == []
