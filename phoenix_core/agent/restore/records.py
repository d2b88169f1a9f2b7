"""What the plan leaves for the restore: one record per entry, in the order of the trees, and what became of each.

A folder's files come between its `Enter` and its `Leave`, in the order of their names. Links, nodes and further hard
links are a list of their own, for when all files are in place.
"""

import os
from typing import Generic, TypeVar

import msgspec

from phoenix_core.vault.entry import Entry

E = TypeVar("E")
"""An entry; or `msgspec.Raw`, where it is passed on as it is."""


def join(folder: bytes, name: bytes) -> bytes:
    """The path of a name in a folder, both below the destination."""
    return folder + b"/" + name if folder else name


class Enter(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """A folder begins; its entry lacks the tree."""

    name: bytes
    """Its name at the destination."""
    entry: Entry
    on_the_way: bool = False
    """Not restored itself: it leads to what is. It gets its metadata only if it has to be made."""
    older: bool = False
    """What was there before is older than the entry."""


class Leave(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """The folder ends."""


class Put(msgspec.Struct, Generic[E], frozen=True, gc=False, array_like=True, tag=3):
    """A file in the folder that was entered last. `identity` is not 0 where further hard links may follow."""

    name: bytes
    entry: E
    identity: int
    data_bytes: int
    chunks: bytes
    """The ids of its chunks, joined."""
    wins: bool = True
    """By the conflict rule it takes its name, whatever the plan found there."""


class PutLarge(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=5):
    """A file that is restored in parts."""

    entry: Entry
    identity: int = 0
    wins: bool = True
    """As `Put`'s."""


class LatePut(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=4):
    """A symbolic link or node, or another name of the file or node with this identity."""

    folder: bytes
    """Where it goes, below the destination."""
    entry: Entry
    source: bytes = b""
    """Its path in the snapshot, if that isn't the one at the destination."""
    identity: int = 0
    is_link: bool = False
    wins: bool = True
    """As `Put`'s."""

    @property
    def path(self) -> bytes:
        return self.source or b"/" + join(self.folder, self.entry.name)


FolderRecord = Enter | Leave
FileRecord = Enter | Leave | Put[msgspec.Raw] | PutLarge


class Known(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the journal of an interrupted restore knows of an entry that it completed."""

    inode: int
    ctime_ns: int

    def is_that(self, status: os.stat_result, entry: Entry) -> bool:
        """Whether this is the entry as it was completed. A further hard link changes its ctime."""
        if status.st_ino != self.inode:
            return False
        return status.st_ctime_ns == self.ctime_ns or (status.st_nlink > 1 and status.st_mtime_ns == entry.mtime_ns)


class Item(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One entry to be put in place."""

    folder: bytes
    """Its folder below the destination."""
    entry: Entry
    source: bytes = b""
    """Its path in the snapshot, if that isn't the one at the destination."""
    fresh: bool = False
    """Its folder was made by this restore: nothing can be there yet."""
    known: Known | None = None
    begun: bool = False
    """An interrupted run may have left half of it under its name."""

    @property
    def path(self) -> bytes:
        """Its path in the snapshot."""
        return self.source or b"/" + join(self.folder, self.entry.name)


class Folder(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A folder that files are put into."""

    path: bytes
    """Below the destination."""
    source: bytes
    """Its path in the snapshot, without a slash at the end."""
    fresh: bool
    """Made by this restore: nothing can be there yet."""

    def item(self, entry: Entry, known: Known | None = None, begun: bool = False) -> Item:
        """The entry in this folder."""
        same = self.source[1:] == self.path
        return Item(self.path, entry, b"" if same else self.source + b"/" + entry.name, self.fresh, known, begun)


class Wanted(msgspec.Struct, frozen=True, gc=False, weakref=False):
    """One file, link or node that is to be put in place, as the job holds it."""

    folder: Folder
    name: bytes
    entry: Entry | msgspec.Raw
    identity: int
    data_bytes: int
    chunks: bytes
    """The ids of its chunks, joined."""
    wins: bool = True
    """As `Put`'s."""
    known: Known | None = None
    begun: bool = False

    @property
    def path(self) -> bytes:
        """Its path in the snapshot."""
        return self.folder.source + b"/" + self.name

    @property
    def item(self) -> Item:
        entry = _decode(self.entry) if isinstance(self.entry, msgspec.Raw) else self.entry
        return self.folder.item(entry, self.known, self.begun)


_decode = msgspec.msgpack.Decoder(Entry).decode


def joined_chunks(entry: Entry) -> bytes:
    """The ids of the chunks that it lists."""
    chunks = entry.chunks
    return chunks[0].id if len(chunks) == 1 else b"".join([ref.id for ref in chunks])


class Anchor(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A restored file that further names are linked to."""

    folder: bytes
    name: bytes
    inode: int


WRITTEN = "written"
COMPLETE = "complete"
SKIPPED = "skipped"
MISSING = "missing"
NOT_MADE = "not_made"


class Outcome(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What became of one entry."""

    state: str
    """`written`; `complete`: it was there already, equal; `skipped` by the conflict rule; `missing`; `not_made`: this
    user may not make such a node."""
    reason: str = ""
    """Why it is missing or not made."""
    problems: tuple[str, ...] = ()
    """Metadata that could not be applied."""
    inode: int = 0
    ctime_ns: int = 0
    name: bytes = b""
    """Its name at the destination, where it was written."""
    removed_entries: int = 0
    """What was in the folder that it took the place of."""

    @property
    def is_there(self) -> bool:
        return self.state in {WRITTEN, COMPLETE}


def missing(reason: str) -> Outcome:
    return Outcome(MISSING, reason)
