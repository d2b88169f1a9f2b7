"""Where a file's bytes lie: any range of it as pieces of chunks and holes, so that only what is asked for is read."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice
from typing import NamedTuple, Protocol

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import ChunkRef, Entry, Extent
from phoenix_core.vault.errors import HostileTree
from phoenix_core.vault.filelists import CHUNK_LIST
from phoenix_core.vault.listnode import read_list_from

READ_CHUNKS = 16
"""So many chunks are asked for at once; each has up to 4 MiB, and one at a time is held."""
_ZEROS = bytes(2**18)


class Piece(NamedTuple):
    """A run of a file's bytes within one chunk, or within one hole."""

    length: int
    ref: ChunkRef | None
    """None: zeros."""
    skip: int = 0
    """Bytes of the chunk before the piece."""


class DataSource(Protocol):
    """Where data chunks come from."""

    def read(self, ids: Iterable[ChunkId]) -> Iterator[tuple[ChunkId, bytes]]: ...


class FileContent:
    """One file of a snapshot, for reading at any place. `entry` has its extents in place (`tree.with_parts`)."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.size = entry.size
        self.extents: tuple[Extent, ...]
        """Where the data is; between them are holes."""
        if entry.extents is not None:
            self.extents = entry.extents
        else:
            self.extents = (Extent(0, entry.size),) if entry.size else ()
        self._ends = [extent.offset + extent.length for extent in self.extents]
        self._data_before = [0, *accumulate(extent.length for extent in self.extents)]
        self._chunk_ends = list(accumulate(ref.length for ref in entry.chunks))

    def pieces(self, source: ChunkSource, start: int, end: int) -> Iterator[Piece]:
        """What bytes `start` to `end` (not included) are made of, in order. `source` reads the file's chunk list.

        Raises `HostileTree`, and what `source` raises."""
        at, end = max(start, 0), min(end, self.size)
        number = bisect_right(self._ends, at)
        while at < end:
            extent = self.extents[number] if number < len(self.extents) else None
            if extent is None or at < extent.offset:
                hole_end = end if extent is None else min(end, extent.offset)
                yield Piece(hole_end - at, None)
                at = hole_end
                continue
            until = min(end, extent.offset + extent.length)
            position = self._data_before[number] + at - extent.offset
            yield from self._data(source, position, position + until - at)
            at = until
            number += 1

    def _data(self, source: ChunkSource, start: int, end: int) -> Iterator[Piece]:
        """The same of the file's data, as if it had no holes."""
        at = start
        for before, ref in self._refs(source, start):
            if at >= end:
                return
            skip = at - before
            length = min(ref.length - skip, end - at)
            yield Piece(length, ref, skip)
            at += length
        if at < end:
            raise HostileTree(detail="a file's chunks are not as long as its data")

    def _refs(self, source: ChunkSource, position: int) -> Iterator[tuple[int, ChunkRef]]:
        if self.entry.chunk_list:
            yield from read_list_from(source, CHUNK_LIST, self.entry.chunk_list, position)
            return
        first = bisect_right(self._chunk_ends, position)
        for number in range(first, len(self._chunk_ends)):
            yield self._chunk_ends[number] - self.entry.chunks[number].length, self.entry.chunks[number]


def read_pieces(data: DataSource, pieces: Iterator[Piece]) -> Iterator[bytes | memoryview]:
    """The bytes of the pieces, each checked against its chunk's id. Raises `HostileTree`, and what `data` raises."""
    while some := list(islice(pieces, READ_CHUNKS)):
        chunks = data.read([ChunkId(piece.ref.id) for piece in some if piece.ref is not None])
        for piece in some:
            if piece.ref is None:
                yield from zeros(piece.length)
                continue
            _, chunk = next(chunks)
            if len(chunk) != piece.ref.length:
                raise HostileTree(detail="a chunk is not as long as its file says")
            yield chunk if piece.length == len(chunk) else memoryview(chunk)[piece.skip : piece.skip + piece.length]


def zeros(count: int) -> Iterator[bytes]:
    """So many zero bytes, in blocks."""
    for _ in range(count // len(_ZEROS)):
        yield _ZEROS
    if rest := count % len(_ZEROS):
        yield _ZEROS[:rest]
