"""What the plan of a restore to Windows leaves for it, in the order of the trees."""

import msgspec

from phoenix_core.vault.entry import Entry


class Enter(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """A folder begins; its entry lacks the tree."""

    name: bytes
    """At the destination."""
    entry: Entry
    exists: bool
    apply: bool
    """It gets its metadata: it has to be made, or the conflict rule says so."""


class Leave(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """The folder ends."""


class Put(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """A file in the folder that was entered last; `identity` is not 0 where further hard links may follow."""

    entry: Entry
    identity: int = 0


class Late(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=4):
    """What waits until all files are in place: a link, a stream, or a further name of a file."""

    folder: bytes
    """At the destination, below its root."""
    source: bytes
    """Its path in the snapshot."""
    entry: Entry
    identity: int = 0
    """Of a further name: the file's."""


FolderRecord = Enter | Leave
FileRecord = Enter | Leave | Put
