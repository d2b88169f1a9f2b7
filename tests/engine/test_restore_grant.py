"""What a restore may read is planned one node of a tree and one batch of chunks at a time."""

import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import pytest

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.errors import Cancelled
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.engine.restore_grant import BATCH, Grant, plan_grant
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType
from phoenix_core.vault.errors import PathNotInSnapshot
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef, Locate, Location
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.tree import TreeWriter
from tests.vault.memory_vault import KEY, KEYS, MemoryVault

FILES, CHUNKS = 6000, 20
STARTED = datetime(2026, 11, 25, tzinfo=UTC)


class Noted:
    """An open vault and its node in one, whose questions are noted. It has the trees, but none of the data."""

    def __init__(self) -> None:
        self.memory = MemoryVault()
        self.node = self
        self.key = KEY
        self.asked: list[tuple[int, int]] = []
        """Of each question for data: the number of chunks, and of reads from packs before."""

    def reader(self, domain: str, epoch: int, locate: Locate) -> ChunkReader:
        memory = self.memory
        return ChunkReader(locate, memory.open_pack, memory.block_keys, KEYS, PackKind.META)

    def locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        return self.memory.locate(ids)

    def locate_all(self, ids: Sequence[ChunkId]) -> list[list[Location]]:
        data = [chunk for chunk in ids if chunk not in self.memory.places]
        if data:
            self.asked.append((len(data), self.memory.opened))
        return [[place] if place is not None else [] for place in self.memory.locate(ids)]

    def pack_info(self, pack_id: PackId) -> PackInfo:
        """Every pack is of the snapshot's own server."""
        return PackInfo(pack_id, 0, "", "default", 1, PackKind.META, 0, PackState.USABLE, True, 0)


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
def snapshot(noted: Noted) -> SnapshotRow:
    """Of one folder whose files have 20 chunks each: its tree is of several nodes."""
    with noted.memory.writer(PackKind.META) as writer:
        root = TreeWriter(writer).write(_file(number) for number in range(FILES))
    return SnapshotRow(
        id="",
        sequence=1,
        server_id="",
        server_name="",
        root=root,
        created_at=STARTED,
        recorded_at=STARTED,
        paths=("/",),
        files=FILES,
        directories=0,
        bytes=0,
        stored_bytes=0,
        missing_count=0,
        job_id="",
        parent="",
        hostname="",
        domain="default",
        epoch=1,
        packs=(),
    )


def _file(number: int) -> Entry:
    refs = tuple(ChunkRef(os.urandom(32), 1000) for _ in range(CHUNKS))
    return Entry(b"file-%06d" % number, EntryType.FILE, 0, 0, 0, size=CHUNKS * 1000, chunks=refs)


def test_chunks_are_asked_for_in_batches_while_a_folder_is_read(
    noted: Noted, snapshot: SnapshotRow, stop: threading.Event
) -> None:
    """The chunks of a folder with millions of files never are in memory all at once."""
    grant = plan_grant(cast(OpenVault, noted), snapshot, (), stop)
    assert (grant.files, grant.bytes) == (FILES, FILES * CHUNKS * 1000)
    assert sum(count for count, _ in noted.asked) == FILES * CHUNKS
    assert {count for count, _ in noted.asked[:-1]} == {BATCH}
    reads_before_the_first, reads_at_all = noted.asked[0][1], noted.memory.opened
    assert reads_before_the_first < reads_at_all


def test_what_holds_trees_is_told_while_content_is_still_looked_for(
    noted: Noted, snapshot: SnapshotRow, stop: threading.Event
) -> None:
    """First when the paths are known to be there; and all of it is part of what comes out."""
    told: list[tuple[set[PackId], int]] = []
    early: list[BlockRef] = []

    def grown(grant: Grant, packs: list[PackId]) -> None:
        told.append((set(packs), len(noted.asked)))
        blocks = {BlockRef(place.pack_id, place.ordinal) for place in noted.memory.places.values()}
        early.extend(block for block in blocks if grant.allows(block))

    grant = plan_grant(cast(OpenVault, noted), snapshot, (), stop, grown=grown)
    assert {pack for packs, _ in told for pack in packs} == set(grant.packs)
    assert next(asked for packs, asked in told if packs) == 0, "before any content is asked for"
    assert noted.asked
    assert sum(len(packs) for packs, _ in told) == len(grant.packs), "each is told once"
    assert early
    assert all(map(grant.allows, early))


def test_a_path_that_is_not_there_is_found_out_before_anything_is_told(
    noted: Noted, snapshot: SnapshotRow, stop: threading.Event
) -> None:
    with pytest.raises(PathNotInSnapshot):
        plan_grant(
            cast(OpenVault, noted),
            snapshot,
            (b"/file-000000", b"/no such"),
            stop,
            grown=lambda grant, packs: pytest.fail("told"),
        )


def test_planning_stops_in_the_middle_of_a_folder(noted: Noted, snapshot: SnapshotRow, stop: threading.Event) -> None:
    ask = noted.locate_all

    def ask_and_stop(ids: Sequence[ChunkId]) -> list[list[Location]]:
        found = ask(ids)
        if noted.asked:
            stop.set()
        return found

    noted.locate_all = ask_and_stop  # type: ignore[method-assign]
    with pytest.raises(Cancelled):
        plan_grant(cast(OpenVault, noted), snapshot, (), stop)
    assert len(noted.asked) == 1


@pytest.mark.parametrize("ordinal", [0, 1023, 1024, 2**62])
def test_a_block_of_any_number_is_granted_and_takes_no_more_memory(ordinal: int) -> None:
    """A node says which block it is: as bits of one number, that one alone would take half an exabyte."""
    grant, pack = Grant(), bytes([1]) * 32
    grant.add_blocks([BlockRef(pack, ordinal)])
    assert grant.allows(BlockRef(pack, ordinal))
    for other in (ordinal - 1, ordinal + 1, -1):
        assert not grant.allows(BlockRef(pack, other))
    assert not grant.allows(BlockRef(bytes(32), ordinal))
