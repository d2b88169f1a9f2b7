"""A file's long lists (chunks, extents, extended attributes) and a snapshot's missing files, stored as list nodes."""

from collections.abc import Iterable, Iterator

import msgspec

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import ChunkRef, Entry, Extent
from phoenix_core.vault.errors import HostileTree
from phoenix_core.vault.listnode import ChunkSink, ListKind, read_list, write_list

CHUNKS_INLINE_MAX = 1024
"""More chunks than these are not in the entry but in a chunk list."""
EXTENTS_INLINE_MAX = 1024
XATTR_BYTES_INLINE_MAX = 64 * 2**10


class MissingEntry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A file that a backup could not read, and why."""

    path: bytes
    reason: str


CHUNK_LIST: ListKind[ChunkRef] = ListKind(b"PXC", ChunkRef, cut_by=lambda ref: ref.id, span=lambda ref: ref.length)
EXTENT_LIST: ListKind[Extent] = ListKind(
    b"PXE", Extent, cut_by=lambda extent: b"%d" % extent.offset, span=lambda extent: extent.length
)
XATTR_LIST: ListKind[tuple[bytes, bytes]] = ListKind(b"PXX", tuple[bytes, bytes], cut_by=lambda pair: pair[0])
MISSING_LIST: ListKind[MissingEntry] = ListKind(b"PXM", MissingEntry, cut_by=lambda missing: missing.path)


def write_chunk_list(writer: ChunkSink, refs: Iterable[ChunkRef]) -> ChunkId:
    """Store the list of a file's chunks; for `Entry.chunk_list`."""
    return write_list(writer, CHUNK_LIST, refs)


def read_chunk_list(source: ChunkSource, list_id: bytes) -> Iterator[ChunkRef]:
    """The chunks of a list, node by node. Raises `HostileTree`, and what `source` raises."""
    return read_list(source, CHUNK_LIST, list_id)


def entry_chunks(source: ChunkSource, entry: Entry) -> Iterator[ChunkRef]:
    """A file's chunks, from the entry or its list. Raises `HostileTree` where they aren't as long as its data."""
    if not entry.chunk_list:
        yield from entry.chunks
        return
    left = entry.data_bytes
    for ref in read_chunk_list(source, entry.chunk_list):
        left -= ref.length
        if left < 0:
            break
        yield ref
    if left:
        raise HostileTree(detail="a file's chunks are not as long as its data")


def write_missing(writer: ChunkSink, missing: Iterable[MissingEntry]) -> ChunkId:
    """Store the list of files that a backup could not read; for `SnapshotBody.missing_list`."""
    return write_list(writer, MISSING_LIST, missing)


def read_missing(source: ChunkSource, list_id: bytes) -> Iterator[MissingEntry]:
    """Raises `HostileTree`, and what `source` raises."""
    return read_list(source, MISSING_LIST, list_id)
