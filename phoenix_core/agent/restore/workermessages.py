"""What a restore job and its worker processes say to each other: MessagePack over a pipe."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Generic

import msgspec

from phoenix_core.agent.restore.records import Anchor, E, Folder, Item, Known, Outcome
from phoenix_core.agentlink.messages import DomainAccess, StorageAccess
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.entry import ChunkRef, Entry, Extent


class TlsPaths(msgspec.Struct, frozen=True, array_like=True):
    cert: str
    key: str
    ca: str


class Setup(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Job → worker, first."""

    number: int
    job: str
    domain: DomainAccess
    storage: StorageAccess
    tls: TlsPaths | None
    root: bytes
    """The destination's path, and the identity that its folder has: device and inode."""
    device: int
    inode: int
    rule: ConflictRule
    stamp: str
    nice: int = 0
    """How far the worker gives way to the server's own processes."""


class Block(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A block that a batch reads, with its key."""

    pack_id: bytes
    ordinal: int
    offset: int
    length: int
    key: bytes
    problem: ErrorView | None = None
    """Why there is no key."""


class Place(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Where a chunk lies in one of the batch's blocks."""

    chunk: bytes
    block: int
    offset: int
    length: int


class BatchEntry(msgspec.Struct, Generic[E], frozen=True, gc=False, array_like=True):
    """One entry of a batch."""

    folder: int
    """Which of the batch's."""
    entry: E
    tell: bool = False
    """The job wants to know what became of it, also where nothing is to be said."""
    known: Known | None = None
    begun: bool = False


class Batch(msgspec.Struct, Generic[E], frozen=True, array_like=True, tag=2):
    """Job → worker: put these in place, in order. Chunks without a place are not in the vault."""

    number: int
    folders: tuple[Folder, ...]
    entries: tuple[BatchEntry[E], ...]
    data_bytes: int
    in_place: bool = False
    """Files of fresh folders are made under their own names: the journal knows of them."""
    blocks: tuple[Block, ...] = ()
    places: tuple[Place, ...] = ()

    @property
    def items(self) -> Iterator[Item]:
        """At the job: the entries with their folders."""
        for each in self.entries:
            entry = each.entry
            decoded = entry if isinstance(entry, Entry) else _entry.decode(entry)  # type: ignore[arg-type]
            yield self.folders[each.folder].item(decoded, each.known, each.begun)


class Links(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Job → worker: make these further names, each of the anchor beside it."""

    number: int
    items: tuple[Item, ...]
    anchors: tuple[Anchor, ...]

    @property
    def data_bytes(self) -> int:
        return 0


class LargeStep(IntEnum):
    """What is to be done with a large file."""

    BEGIN = 1
    """See what is there; make the temporary file, unless the content of what is there is to be checked first."""
    BEGIN_ANEW = 2
    """The same, after the check found a difference."""
    CHECK = 3
    """Compare a part with what is there."""
    SETTLE = 4
    """All parts are equal: give what is there the metadata."""
    WRITE = 5
    """Write a part to the temporary file."""
    FINISH = 6
    """All parts are written: metadata, and the file's name."""
    DROP = 7
    """Remove the temporary file."""


class Large(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Job → worker: one step of a large file, whose entry lists no chunks; `extents` and `refs` are those of a part."""

    number: int
    step: LargeStep
    item: Item
    temp: bytes = b""
    """The temporary name; of `CHECK` and `SETTLE` the name of what is there."""
    extents: tuple[Extent, ...] = ()
    refs: tuple[ChunkRef, ...] = ()
    blocks: tuple[Block, ...] = ()
    places: tuple[Place, ...] = ()

    @property
    def data_bytes(self) -> int:
        return sum([ref.length for ref in self.refs])


class Token(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Job → worker: go on with this storage token."""

    token: str


class Done(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """Worker → job: what became of a piece of work."""

    number: int
    path: bytes
    """What it was at in the end."""
    outcomes: tuple[tuple[int, Outcome], ...]
    """Of a batch's entries those of which there is something to say, with their place in it; else all, in order."""
    files: int = 0
    """Of the others: files written, other entries made, the files' sizes."""
    others: int = 0
    file_bytes: int = 0
    completed: bytes = b""
    """What is in place, for the journal."""
    fetched_bytes: int = 0
    """The worker's total of bytes that came from storage."""


class Working(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """Worker → job, about twice a second: where it is, and the bytes done of the batch in hand."""

    path: bytes
    bytes_done: int
    fetched_bytes: int


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """Worker → job: what ended the worker."""

    error: ErrorView


Work = Batch[msgspec.Raw] | Links | Large
"""As the job hands it out."""
Task = Batch[Entry] | Links | Large
"""As a worker sees it."""
ToWorker = Setup | Batch[Entry] | Links | Large | Token
FromWorker = Done | Working | Failed

encode = msgspec.msgpack.Encoder().encode
_entry = msgspec.msgpack.Decoder(Entry)
to_worker = msgspec.msgpack.Decoder(ToWorker)
from_worker = msgspec.msgpack.Decoder(FromWorker)
