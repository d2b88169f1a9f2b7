"""A file's content: laid out over its extents, written with holes, and compared with what lies at the destination."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from phoenix_core.agent.backup.pagecache import CacheKeeper
from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkid import keyed_id
from phoenix_core.vault.entry import ChunkRef, Entry, Extent
from phoenix_core.vault.errors import ChunkDamaged

_READ_BYTES = 2**20
_ZEROS = bytes(_READ_BYTES)
Tick = Callable[[int], None]


class Chunks(Protocol):
    """Where data chunks come from."""

    def read_one(self, chunk: ChunkId) -> bytes | memoryview: ...


def extents_of(entry: Entry) -> tuple[Extent, ...]:
    """Where a file's data lies."""
    if entry.extents is not None:
        return entry.extents
    return (Extent(0, entry.size),) if entry.size else ()


def write_chunks(fd: int, extents: Iterable[Extent], refs: Iterable[ChunkRef], source: Chunks, tick: Tick) -> None:
    """Write chunks to an open file, laid out over these extents, which are as long together.

    Raises `ChunkMissing`, `ChunkDamaged`, what the node and the core raise, and OSError."""
    places = _places(extents)
    at, left = 0, 0
    for ref in refs:
        data = source.read_one(ChunkId(ref.id))
        check_length(data, ref)
        view = memoryview(data)
        while view:
            if not left:
                at, left = next(places)
            piece = view[:left]
            write_all(fd, piece, at)
            at += len(piece)
            left -= len(piece)
            view = view[len(piece) :]
        tick(ref.length)


def check_length(data: bytes | memoryview, ref: ChunkRef) -> None:
    """Raises `ChunkDamaged`."""
    if len(data) != ref.length:
        raise ChunkDamaged(chunk=ref.id.hex(), pack="", detail="its length is not what its file says")


def _places(extents: Iterable[Extent]) -> Iterator[tuple[int, int]]:
    for extent in extents:
        yield extent.offset, extent.length
    raise ChunkDamaged(chunk="", pack="", detail="a file's chunks are longer than its data")


def write_all(fd: int, data: bytes | memoryview, at: int) -> None:
    """Write at this offset, however many calls that takes. Raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, at)
        at += written
        view = view[written:]


def has_content(
    fd: int, extents: Iterable[Extent], refs: Iterable[ChunkRef], id_key: bytes, tick: Tick, cache: CacheKeeper
) -> bool:
    """Whether an open file holds these chunks in these extents; `cache` reads it. Raises OSError."""
    places = _places(extents)
    at, left = 0, 0
    with cache.reading(fd):
        for ref in refs:
            data = bytearray(ref.length)
            wanted = memoryview(data)
            while wanted:
                if not left:
                    at, left = next(places)
                count = cache.read(wanted[:left], at)
                if not count:
                    return False
                at += count
                left -= count
                wanted = wanted[count:]
            if keyed_id(id_key, data) != ref.id:
                return False
            tick(ref.length)
    return True


def has_holes(fd: int, entry: Entry, cache: CacheKeeper) -> bool:
    """Whether an open file is zero wherever the entry has holes; `cache` reads it. Raises OSError."""
    if entry.extents is None:
        return True
    end = 0
    with cache.reading(fd):
        for extent in entry.extents:
            if not _is_zero(fd, end, extent.offset, cache):
                return False
            end = extent.offset + extent.length
        return _is_zero(fd, end, entry.size, cache)


def _is_zero(fd: int, start: int, end: int, cache: CacheKeeper) -> bool:
    while start < end:
        try:
            start = os.lseek(fd, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return True
            raise
        if start >= end:
            return True
        data = bytearray(min(_READ_BYTES, end - start))
        count = cache.read(memoryview(data), start)
        if not count:
            return True
        if data[:count] != _ZEROS[:count]:
            return False
        start += count
    return True
