"""Any range of a file is exactly those bytes, and only the chunks that hold them are read."""

import os
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType, Extent
from phoenix_core.vault.errors import HostileTree
from phoenix_core.vault.filecontent import FileContent, read_pieces
from phoenix_core.vault.filelists import CHUNKS_INLINE_MAX, write_chunk_list
from phoenix_core.vault.kinds import PackKind
from tests.vault.memory_vault import MemoryVault


class Counting:
    """A reader that counts the chunks it was asked for."""

    def __init__(self, reader: ChunkReader) -> None:
        self._reader = reader
        self.asked = 0

    def read(self, ids: Iterable[ChunkId]) -> Iterator[tuple[ChunkId, bytes]]:
        wanted = list(ids)
        self.asked += len(wanted)
        return self._reader.read(wanted)


def stored(vault: MemoryVault, runs: list[tuple[int, bytes]], size: int, chunk_bytes: int) -> tuple[Entry, bytes]:
    """A file of so many bytes with data at these places, else holes; and its content."""
    content = bytearray(size)
    for at, data in runs:
        content[at : at + len(data)] = data
    joined = b"".join(data for _, data in runs)
    with vault.writer() as writer:
        refs = tuple(writer.add(joined[at : at + chunk_bytes]) for at in range(0, len(joined), chunk_bytes))
    extents = tuple(Extent(at, len(data)) for at, data in runs)
    entry = Entry(b"f", EntryType.FILE, 0o644, 0, 0, size=size, chunks=refs, extents=extents)
    return entry, bytes(content)


def read(vault: MemoryVault, entry: Entry, start: int, end: int) -> bytes:
    pieces = FileContent(entry).pieces(vault.reader(PackKind.META), start, end)
    return b"".join(read_pieces(vault.reader(), pieces))


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 900)), max_size=6),
    tail=st.integers(0, 400),
    chunk_bytes=st.integers(1, 700),
    ranges=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 6000)), min_size=1, max_size=8),
)
def test_a_range_of_a_file_with_holes_is_those_bytes(
    gaps: list[tuple[int, int]], tail: int, chunk_bytes: int, ranges: list[tuple[int, int]]
) -> None:
    vault = MemoryVault()
    runs: list[tuple[int, bytes]] = []
    at = 0
    for gap, length in gaps:
        at += gap
        runs.append((at, os.urandom(length)))
        at += length
    entry, content = stored(vault, runs, at + tail, chunk_bytes)
    for start, end in ranges:
        assert read(vault, entry, start, end) == content[start:end]


def test_of_a_long_chunk_list_only_the_way_to_the_range_is_read() -> None:
    vault = MemoryVault()
    count = 12 * CHUNKS_INLINE_MAX
    content = os.urandom(count * 16)
    with vault.writer() as writer:
        refs = [writer.add(content[at : at + 16]) for at in range(0, len(content), 16)]
    with vault.writer(PackKind.META) as writer:
        chunk_list = write_chunk_list(writer, refs)
    entry = Entry(b"f", EntryType.FILE, 0o644, 0, 0, size=len(content), chunk_list=chunk_list)
    counting = Counting(vault.reader())
    for start, end in ((0, 5), (100_000, 100_077), (len(content) - 9, len(content)), (60_000, 60_016)):
        pieces = FileContent(entry).pieces(vault.reader(PackKind.META), start, end)
        assert b"".join(read_pieces(counting, pieces)) == content[start:end]
    assert counting.asked <= 1 + 6 + 1 + 1


def test_a_list_that_is_shorter_than_its_file_is_refused() -> None:
    vault = MemoryVault()
    with vault.writer() as writer:
        ref = writer.add(b"x" * 10)
    short = Entry(b"f", EntryType.FILE, 0o644, 0, 0, size=20, chunks=(ref,))
    with pytest.raises(HostileTree):
        read(vault, short, 0, 20)
    lying = Entry(b"f", EntryType.FILE, 0o644, 0, 0, size=20, chunks=(ChunkRef(ref.id, 20),))
    with pytest.raises(HostileTree):
        read(vault, lying, 0, 20)
