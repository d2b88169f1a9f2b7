"""Entries of a vault from what Windows says of files, folders, links and streams."""

from phoenix_core.agent.windows.attributes import DIRECTORY, READONLY
from phoenix_core.agent.windows.descriptor import group_of, owner_of
from phoenix_core.agent.windows.names import to_bytes
from phoenix_core.agent.windows.reparse import target_of
from phoenix_core.agent.windows.seam import Details, FileFacts
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType, Extent
from phoenix_core.vault.windowsentry import ATTRIBUTES, REPARSE, SECURITY, VOLUME

Xattrs = tuple[tuple[bytes, bytes], ...]
_FOLDER_MODE, _FILE_MODE, _READONLY_MODE, _LINK_MODE = 0o755, 0o644, 0o444, 0o777
"""For programs that know no other permissions; Windows goes by the descriptor."""


def folder_entry(
    name: bytes, facts: FileFacts, security: bytes, *, volume: bytes = b"", partial: bool = False
) -> Entry:
    """`volume`: of a volume's root, the name of its file system."""
    xattrs = _xattrs(facts.attributes, security)
    if volume:
        xattrs += ((VOLUME, volume),)
    return _entry(name, EntryType.DIRECTORY, facts, security, xattrs, _FOLDER_MODE, partial=partial)


def link_entry(name: bytes, facts: FileFacts, security: bytes, data: bytes) -> Entry:
    """Of a junction, a symbolic link or another reparse point."""
    target = to_bytes(target_of(data))
    xattrs = _xattrs(facts.attributes, security, data)
    return _entry(name, EntryType.SYMLINK, facts, security, xattrs, _LINK_MODE, target=target)


def file_entry(
    name: bytes,
    details: Details,
    security: bytes,
    size: int,
    chunks: tuple[ChunkRef, ...],
    extents: tuple[Extent, ...] | None,
    *,
    fixed: bool,
) -> Entry:
    facts = details.facts
    return _entry(
        name,
        EntryType.FILE,
        facts,
        security,
        _xattrs(facts.attributes, security),
        _mode_of(facts),
        device=details.volume_serial if details.links > 1 else 0,
        links=details.links,
        size=size,
        chunks=chunks,
        extents=extents,
        fixed=fixed,
    )


def stream_entry(
    name: bytes,
    details: Details,
    size: int,
    chunks: tuple[ChunkRef, ...],
    extents: tuple[Extent, ...] | None,
    *,
    fixed: bool,
) -> Entry:
    """Of a named stream: times, id and attributes are those of what it belongs to, whose descriptor it shares."""
    facts = details.facts
    return _entry(
        name,
        EntryType.FILE,
        facts,
        b"",
        _xattrs(facts.attributes),
        _mode_of(facts),
        size=size,
        chunks=chunks,
        extents=extents,
        fixed=fixed,
    )


def is_unchanged(entry: Entry, facts: FileFacts) -> bool:
    """Whether nothing of a file, folder or link has changed since the parent snapshot: content, streams, attributes and
    security all move its time of change. `facts` by opening it."""
    return (
        entry.ctime_ns == facts.changed_ns
        and entry.mtime_ns == facts.modified_ns
        and entry.inode == facts.file_id
        and entry.birth_ns == (facts.created_ns or None)
        and (not entry.is_file or entry.size == facts.size)
    )


def _mode_of(facts: FileFacts) -> int:
    if facts.attributes & DIRECTORY:
        return _FILE_MODE
    return _READONLY_MODE if facts.attributes & READONLY else _FILE_MODE


def _xattrs(attributes: int, security: bytes = b"", reparse: bytes = b"") -> Xattrs:
    found: Xattrs = ((ATTRIBUTES, attributes.to_bytes(4, "little")),)
    if reparse:
        found += ((REPARSE, reparse),)
    if security:
        found += ((SECURITY, security),)
    return found


def _entry(
    name: bytes,
    kind: EntryType,
    facts: FileFacts,
    security: bytes,
    xattrs: Xattrs,
    mode: int,
    *,
    target: bytes = b"",
    device: int = 0,
    links: int = 1,
    size: int = 0,
    chunks: tuple[ChunkRef, ...] = (),
    extents: tuple[Extent, ...] | None = None,
    fixed: bool = False,
    partial: bool = False,
) -> Entry:
    return Entry(
        name,
        kind,
        mode,
        0,
        0,
        owner_of(security),
        group_of(security),
        facts.modified_ns,
        facts.changed_ns,
        facts.created_ns or None,
        facts.file_id,
        device,
        links,
        size,
        xattrs,
        target,
        extents=extents,
        chunks=chunks,
        fixed_chunks=fixed,
        partial=partial,
    )
