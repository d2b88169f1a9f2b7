"""Large files are restored in parts by all workers, and come out as they were."""

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.agent.restore import largeparts
from phoenix_core.agent.restore.blockplan import BlockPlan
from phoenix_core.agent.restore.content import extents_of
from phoenix_core.agent.restore.largeparts import parts_of
from phoenix_core.domain.states import ConflictRule
from phoenix_core.storage.errors import StorageUnreachable
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType, Extent
from tests.agent.independent_walk import allocated_bytes, differences, walk
from tests.agent.restore.rig import RestoreRig


@pytest.fixture
def large(rig: RestoreRig, monkeypatch: pytest.MonkeyPatch) -> RestoreRig:
    """A file of 12 MiB of data and two large holes; files of more than 4 MiB count as large."""
    monkeypatch.setattr(largeparts, "LARGE_BYTES", 4 * 2**20)
    monkeypatch.setattr(largeparts, "PART_BYTES", 2 * 2**20)
    rng = random.Random(1)
    with (rig.source / "large").open("wb") as file:
        for at in (0, 50, 2**20):
            file.seek(at * 2**20)
            file.write(rng.randbytes(4 * 2**20))
        file.truncate(2**41)
    os.setxattr(rig.source / "large", "user.attribute", b"value")
    os.utime(rig.source / "large", ns=(0, 10**18 + 1))
    return rig


@pytest.mark.parametrize("workers", [1, 3])
def test_a_large_file_comes_back(large: RestoreRig, workers: int) -> None:
    result = large.restore(large.backup(), workers=workers)
    assert differences(walk(large.source), walk(large.restored)) == []
    assert allocated_bytes(large.restored) <= allocated_bytes(large.source) + 2**20
    assert (result.files, result.bytes) == (1, 2**41)


def test_an_equal_large_file_is_checked_and_not_fetched(large: RestoreRig) -> None:
    snapshot = large.backup()
    large.restore(snapshot)
    (large.restored / "large").chmod(0o600)
    result = large.restore(snapshot)
    assert (result.files, result.skipped, result.fetched_bytes) == (0, 1, 0)
    assert differences(walk(large.source), walk(large.restored)) == []


@pytest.mark.parametrize("at", [0, 10 * 2**20, 2**40 + 17, 2**40 + 2**39])
def test_a_large_file_that_differs_in_one_byte_is_replaced(large: RestoreRig, at: int) -> None:
    """In its data and in a hole."""
    snapshot = large.backup()
    large.restore(snapshot)
    with (large.restored / "large").open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(large.restored / "large", ns=(0, 10**18 + 1))
    assert large.restore(snapshot).files == 1
    assert differences(walk(large.source), walk(large.restored)) == []


def test_rules_hold_for_large_files(large: RestoreRig) -> None:
    snapshot = large.backup()
    large.restored.mkdir(parents=True)
    (large.restored / "large").write_bytes(b"existing")
    assert large.restore(snapshot, conflict=ConflictRule.SKIP).skipped == 1
    assert large.restore(snapshot, conflict=ConflictRule.IF_OLDER).skipped == 1
    assert large.restore(snapshot, conflict=ConflictRule.KEEP_BOTH).files == 1
    assert (large.restored / "large").read_bytes() == b"existing"
    (copy,) = (path for path in large.restored.iterdir() if path.name != "large")
    assert copy.stat().st_size == 2**41
    copy.unlink()
    assert large.restore(snapshot).files == 1
    assert differences(walk(large.source), walk(large.restored)) == []


def test_hard_links_of_large_files(large: RestoreRig) -> None:
    os.link(large.source / "large", large.source / "second")
    large.restore(large.backup())
    assert differences(walk(large.source), walk(large.restored)) == []


@given(
    lengths=st.lists(st.integers(1, 3000), max_size=60),
    gaps=st.lists(st.tuples(st.integers(0, 500), st.integers(1, 4000)), max_size=60),
)
def test_parts_cover_the_data_once_and_in_order(lengths: list[int], gaps: list[tuple[int, int]]) -> None:
    """Chunks of these lengths, laid out over extents of any others."""
    total = sum(lengths)
    extents, at, left = [], 0, total
    for gap, most in gaps:
        length = min(most, left)
        if length:
            extents.append(Extent(at + gap, length))
            at, left = at + gap + length, left - length
    if left:
        extents.append(Extent(at, left))
        at += left
    entry = Entry(b"f", EntryType.FILE, 0, 0, 0, size=at, extents=tuple(extents))
    refs = [ChunkRef(number.to_bytes(32, "big"), length) for number, length in enumerate(lengths)]
    before, largeparts.PART_BYTES = largeparts.PART_BYTES, 5000
    try:
        parts = list(parts_of(entry, refs))
    finally:
        largeparts.PART_BYTES = before
    assert [ref for part in parts for ref in part.refs] == refs
    for part in parts:
        assert sum(extent.length for extent in part.extents) == sum(ref.length for ref in part.refs)
    covered = [place for part in parts for extent in part.extents for place in _bytes_of(extent)]
    assert covered == [place for extent in extents_of(entry) for place in _bytes_of(extent)]


def _bytes_of(extent: Extent) -> range:
    return range(extent.offset, extent.offset + extent.length)


def test_of_a_large_file_that_ends_the_restore_nothing_is_left(
    large: RestoreRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two of its parts, when no worker has it in hand."""

    def away(plan: BlockPlan, refs: object) -> None:
        raise StorageUnreachable(place="node", detail="away")

    snapshot = large.backup()
    monkeypatch.setattr(BlockPlan, "for_chunks", away)
    with pytest.raises(StorageUnreachable):
        large.restore(snapshot)
    assert list(large.restored.iterdir()) == []
