"""The entries of a tree: one per file, folder, link or node, as they were when the backup read them.

Encoded as MessagePack maps with short keys, defaults left out, fields always in the order below: the same entry always
gives the same bytes. Times are nanoseconds since the epoch, UTC; sizes and offsets are bytes.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from phoenix_core.vault.chunkid import CHUNK_ID_BYTES, MAX_CHUNK_BYTES

Natural = Annotated[int, Meta(ge=0)]
Id = Annotated[bytes, Meta(min_length=CHUNK_ID_BYTES, max_length=CHUNK_ID_BYTES)]
IdOrNone = Annotated[bytes, Meta(max_length=CHUNK_ID_BYTES)]
"""Empty where there is none."""


class EntryType(StrEnum):
    FILE = "f"
    DIRECTORY = "d"
    SYMLINK = "l"
    FIFO = "p"
    SOCKET = "s"
    CHAR_DEVICE = "c"
    BLOCK_DEVICE = "b"


class Extent(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """A run of a file's bytes that holds data."""

    offset: Natural
    length: Annotated[int, Meta(ge=1)]


class ChunkRef(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """A chunk's id and its length in plain bytes."""

    id: Id
    length: Annotated[int, Meta(ge=1, le=MAX_CHUNK_BYTES)]


class Entry(
    msgspec.Struct,
    frozen=True,
    gc=False,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={
        "name": "n",
        "type": "t",
        "mode": "m",
        "uid": "u",
        "gid": "g",
        "owner": "un",
        "group": "gn",
        "mtime_ns": "mt",
        "ctime_ns": "ct",
        "birth_ns": "bt",
        "inode": "i",
        "device": "dv",
        "links": "nl",
        "size": "s",
        "xattrs": "x",
        "target": "lt",
        "rdev_major": "rj",
        "rdev_minor": "rn",
        "extents": "e",
        "chunks": "c",
        "chunk_list": "cl",
        "tree": "d",
        "partial": "pa",
        "fixed_chunks": "fc",
        "extent_list": "el",
        "xattr_list": "xl",
    },
):
    """One entry of a tree."""

    name: bytes
    type: EntryType
    mode: Annotated[int, Meta(ge=0, le=0o7777)]
    """Permission, set-id and sticky bits (0o7777)."""
    uid: Natural
    gid: Natural
    owner: str = ""
    """Empty where the number has no name."""
    group: str = ""
    mtime_ns: int = 0
    ctime_ns: int = 0
    birth_ns: int | None = None
    inode: Natural = 0
    device: Natural = 0
    """With `inode` the identity that hard links share."""
    links: Natural = 1
    """Number of hard links; entries of one snapshot with `links` > 1 and equal device and inode are one file."""
    size: Natural = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    """Name and value, sorted by name; POSIX ACLs and capabilities among them."""
    target: bytes = b""
    rdev_major: Natural = 0
    rdev_minor: Natural = 0
    extents: tuple[Extent, ...] | None = None
    """Where the data lies in a file with holes, ascending; None: all of it is data. The content is the chunks, joined,
    laid out over the extents."""
    chunks: tuple[ChunkRef, ...] = ()
    chunk_list: IdOrNone = b""
    """Chunk id of a metadata chunk that holds the list instead, where it is long (`tree.CHUNKS_INLINE_MAX`)."""
    tree: IdOrNone = b""
    """A folder's tree: chunk id."""
    partial: bool = False
    """A folder on the way to a backed-up path, of which only some entries are in the snapshot."""
    fixed_chunks: bool = False
    """Cut at fixed offsets, as disk images are."""
    extent_list: IdOrNone = b""
    """Where there are too many extents for the entry: the list's chunk id. Written and resolved by `tree`."""
    xattr_list: IdOrNone = b""
    """The same for extended attributes."""

    @property
    def is_file(self) -> bool:
        return self.type is EntryType.FILE

    @property
    def is_directory(self) -> bool:
        return self.type is EntryType.DIRECTORY

    @property
    def data_bytes(self) -> int:
        """Bytes that are not holes: what a restore allocates."""
        return self.size if self.extents is None else sum(extent.length for extent in self.extents)
