"""Trees: a folder's entries, sorted by name bytes, canonically encoded, stored as metadata chunks.

Reading believes nothing: names with '/', NUL, '.', '..', out of order or twice, and lists that don't match the entry,
are `HostileTree`. Long extents and extended attributes are moved into lists on writing and back on reading.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from operator import lt

import msgspec

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.entrycheck import fault_of, not_plain
from phoenix_core.vault.errors import HostileTree, InvalidEntry
from phoenix_core.vault.filelists import (
    CHUNKS_INLINE_MAX,
    EXTENT_LIST,
    EXTENTS_INLINE_MAX,
    XATTR_BYTES_INLINE_MAX,
    XATTR_LIST,
    MissingEntry,
    entry_chunks,
    read_chunk_list,
    read_missing,
    write_chunk_list,
    write_missing,
)
from phoenix_core.vault.holes import MAX_EXTENTS
from phoenix_core.vault.listnode import ChunkSink, Item, ListKind, find_in_list, read_list, read_list_pages, write_list

__all__ = [
    "CHUNKS_INLINE_MAX",
    "TREE",
    "MissingEntry",
    "TreeWriter",
    "entry_chunks",
    "find_entry",
    "read_checked_pages",
    "read_chunk_list",
    "read_missing",
    "read_tree",
    "read_tree_pages",
    "with_parts",
    "write_chunk_list",
    "write_missing",
]

TREE: ListKind[Entry] = ListKind(b"PXT", Entry, cut_by=lambda entry: entry.name, first=lambda entry: entry.name)
MAX_XATTRS = 65536


class TreeWriter:
    """Writes trees through a chunk writer of kind `meta`."""

    def __init__(self, writer: ChunkSink) -> None:
        self._writer = writer

    def write(self, entries: Iterable[Entry]) -> ChunkId:
        """Store a folder's entries, which come sorted by name bytes; the same entries always give the same id.

        Takes them one by one, so that a folder of any size passes. Raises `InvalidEntry`."""
        return write_list(self._writer, TREE, self._checked(entries))

    def _checked(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        last = b""
        for entry in entries:
            if entry.name <= last:
                raise InvalidEntry(detail=f"{entry.name!r} comes after {last!r}")
            if fault := fault_of(entry):
                raise InvalidEntry(detail=fault)
            last = entry.name
            yield self._with_lists(entry)

    def _with_lists(self, entry: Entry) -> Entry:
        """The entry with its long parts moved into lists."""
        if len(entry.chunks) > CHUNKS_INLINE_MAX:
            chunk_list = write_chunk_list(self._writer, entry.chunks)
            entry = msgspec.structs.replace(entry, chunks=(), chunk_list=chunk_list)
        if entry.extents is not None and len(entry.extents) > EXTENTS_INLINE_MAX:
            extent_list = write_list(self._writer, EXTENT_LIST, entry.extents)
            entry = msgspec.structs.replace(entry, extents=None, extent_list=extent_list)
        if sum([len(name) + len(value) for name, value in entry.xattrs]) > XATTR_BYTES_INLINE_MAX:
            xattr_list = write_list(self._writer, XATTR_LIST, entry.xattrs)
            entry = msgspec.structs.replace(entry, xattrs=(), xattr_list=xattr_list)
        return entry


def read_tree(source: ChunkSource, tree: bytes) -> Iterator[Entry]:
    """A folder's entries, sorted by name. Raises `HostileTree`, and what `source` raises."""
    for page in read_checked_pages(source, tree):
        for entry in page:
            yield with_parts(source, entry)


def read_checked_pages(source: ChunkSource, tree: bytes) -> Iterator[list[Entry]]:
    """As `read_tree`, a node's entries at a time; long parts are still in their lists, see `with_parts`."""
    last = b""
    for page in read_list_pages(source, TREE, tree):
        names = [last, *[entry.name for entry in page]]
        if not all(map(lt, names, names[1:])):
            one, two = next((one, two) for one, two in pairwise(names) if one >= two)
            raise HostileTree(detail=f"{two[:64]!r} comes after {one[:64]!r}")
        last = names[-1]
        for fault in filter(None, map(fault_of, not_plain(page))):
            raise HostileTree(detail=fault)
        yield page


def read_tree_pages(source: ChunkSource, tree: bytes) -> Iterator[list[Entry]]:
    """A folder's entries as they are stored, a node's at a time: long parts are still in their lists, and nothing but
    the types was checked; for comparing. Raises `HostileTree`, and what `source` raises."""
    return read_list_pages(source, TREE, tree)


def find_entry(source: ChunkSource, tree: bytes, name: bytes) -> Entry | None:
    """The folder's entry of this name, reading only what is needed of a large folder. Raises as `read_tree`."""
    entry = find_in_list(source, TREE, tree, name)
    if entry is None:
        return None
    if fault := fault_of(entry):
        raise HostileTree(detail=fault)
    return with_parts(source, entry)


def with_parts(source: ChunkSource, entry: Entry) -> Entry:
    """The entry with its extents and extended attributes back in place. Raises `HostileTree`, and as `source`."""
    if not entry.extent_list and not entry.xattr_list:
        return entry
    if entry.extent_list and entry.type is EntryType.FILE:
        extents = _bounded(read_list(source, EXTENT_LIST, entry.extent_list), MAX_EXTENTS)
        entry = msgspec.structs.replace(entry, extents=tuple(extents), extent_list=b"")
    if entry.xattr_list:
        xattrs = _bounded(read_list(source, XATTR_LIST, entry.xattr_list), MAX_XATTRS)
        entry = msgspec.structs.replace(entry, xattrs=tuple(xattrs), xattr_list=b"")
    if fault := fault_of(entry):
        raise HostileTree(detail=fault)
    return entry


def _bounded(items: Iterator[Item], limit: int) -> Iterator[Item]:
    for count, item in enumerate(items):
        if count == limit:
            raise HostileTree(detail=f"a list of one file has more than {limit} items")
        yield item
