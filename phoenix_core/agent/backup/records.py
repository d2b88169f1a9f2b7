"""What the scan leaves for the transfer: one record per entry, in the order of the trees.

A folder's entries come sorted by name between its `Enter` and its `Leave`; so trees are built in one pass, bottom up.
"""

import msgspec

from phoenix_core.vault.entry import Entry


class Enter(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """A folder begins. The tree of its entry, if there is one, is not the folder's."""

    entry: Entry


class Leave(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """The folder ends."""


class Keep(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """A complete entry: an unchanged file as the parent has it, or an entry without content.

    `counted` is false for a hard link whose bytes an earlier entry stands for; `identity` as in `Link`."""

    entry: Entry
    counted: bool = True
    identity: int = 0


class Read(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=4):
    """A file to be read: the next one of the read list. `identity` is not 0 where more links may follow."""

    identity: int = 0


class Link(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=5):
    """A further hard link of the file with this number; it has that one's content under its own name, as long as what
    was read is the inode that the scan saw."""

    identity: int
    item: "ReadItem"
    inode: int


class Amounts(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a folder holds, with all that is below it; or what a scan has met so far."""

    files: int = 0
    folders: int = 0
    others: int = 0
    bytes: int = 0
    """Sizes of all files, hard links once."""

    def since(self, before: "Amounts") -> "Amounts":
        """What was met after `before`."""
        return Amounts(
            self.files - before.files,
            self.folders - before.folders,
            self.others - before.others,
            self.bytes - before.bytes,
        )


class KeepFolder(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=7):
    """A folder whose entries are, all the way down, those that the parent snapshot has: it keeps its tree."""

    entry: Entry
    """With the tree."""
    amounts: Amounts
    """What is in it, itself included."""


class Lost(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=6):
    """An entry that can't be read, and why."""

    path: bytes
    reason: str


Record = Enter | Leave | Keep | KeepFolder | Read | Link | Lost


class ReadItem(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A file to be read, as the scan saw it."""

    folder: bytes
    """Absolute path of its folder."""
    name: bytes
    data_bytes: int
    """Its size, without what the file system says are holes."""

    @property
    def path(self) -> bytes:
        return join(self.folder, self.name)


def join(folder: bytes, name: bytes) -> bytes:
    """The path of a name in a folder."""
    return folder + name if folder == b"/" else folder + b"/" + name
