"""What a storage node does, as two synchronous protocols: for jobs (by token) and for the core.

`StorageNode` implements both in its own process; `RemoteJobNode` and `RemoteCoreNode` speak them over HTTPS, and
`SocketJobNode` over the Unix socket with hand-over of file descriptors. Calls block; an event loop uses a thread.
Agents' worker processes each hold a client of their own. Every method may raise `storage.errors.StorageError`.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.ids import ChunkId, LeaseId, PackId, SnapshotId
from phoenix_core.vault.location import Location, OpenPack
from phoenix_core.vault.packcontents import PackContents, Upkeep
from phoenix_core.vault.packinfo import PackInfo, PackState, ReadTimes

__all__ = [
    "CoreNode",
    "JobNode",
    "LeaseInfo",
    "Location",
    "NodeStatus",
    "OpenPack",
    "PackInfo",
    "PackState",
    "RebuildResult",
    "SweepResult",
]


class JobNode(Protocol):
    """What a job may do, within the rights of its token."""

    def present(self, ids: Sequence[ChunkId], writer: int = 0) -> list[bool]:
        """For each chunk, whether a usable copy exists that this job's server may rely on: its own, or a proved one.

        The node remembers, under the job's lease, the packs that it answered from: prune keeps them. Where several
        writers, numbered from 1, share a job's work, a chunk that one of them was told to be missing counts as present
        for the others (`promises`)."""

    def put_pack(self, pack_id: PackId, fd: int, length: int) -> None:
        """Store the pack in `fd` (offset 0, `length` bytes; a memfd or a file). Returns once it is durable and indexed.

        The node hashes its own copy and refuses one whose name isn't its content's. Storing a pack twice is fine."""

    def locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        """One readable copy of each chunk, or None. A restore job sees only packs on its grant."""

    def open_pack(self, pack_id: PackId) -> AbstractContextManager[OpenPack]:
        """The pack for reading. A restore job opens only packs on its grant, a backup job its server's metadata."""

    def stage_snapshot(self, sealed: bytes) -> SnapshotId:
        """Store a sealed snapshot durably, if the job's lease still lives. It counts once the core records it."""

    def renew_lease(self) -> None:
        """Keep the job's lease alive; every call of the job does so too."""

    def use_token(self, token: str) -> None:
        """Go on with a fresh token of the same job."""

    def close(self) -> None: ...


class LeaseInfo(msgspec.Struct, frozen=True):
    lease: str
    job: str
    server_id: str
    opened_at_ns: int
    parent: str = ""
    lapsed: bool = False


class NodeStatus(msgspec.Struct, frozen=True):
    vault_id: str
    packs: int
    chunks: int
    stored_bytes: int
    unproved_packs: int
    condemned_packs: int
    damaged_packs: int
    snapshots: int
    records: int
    free_bytes: int
    total_bytes: int
    index_complete: bool
    """False: the index is absent, or the vault is."""
    problem: ErrorView | None = None
    """Why the index can't be used, and what to do."""
    reads: ReadTimes | None = None
    """None: the index can't be used, or the node is of an earlier release, which doesn't keep it."""


class RebuildResult(msgspec.Struct, frozen=True):
    packs: int
    chunks: int
    unreadable: tuple[str, ...]
    """Hex ids of packs whose head or tail could not be read."""
    seconds: float
    lost: tuple[str, ...] = ()
    """Hex ids of packs that the old index knew, and that are gone from the store."""


class CoreNode(Protocol):
    """What only the core may do."""

    def status(self) -> NodeStatus: ...

    def open_lease(self, lease: LeaseId, job: str, server_id: str, parent: SnapshotId | None) -> None:
        """Open the lease that a job's token will name."""

    def close_lease(self, lease: LeaseId) -> None: ...

    def leases(self) -> list[LeaseInfo]: ...

    def grant(self, job: str, pack_ids: Sequence[PackId]) -> None:
        """Add packs to the list that a restore job may read; `close_lease` of the job drops it."""

    def locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        """One copy of each chunk, from usable packs first, else condemned ones."""

    def locate_all(self, ids: Sequence[ChunkId], *, lost: bool = False) -> list[list[Location]]:
        """All copies of each chunk, usable ones first; with `lost` also those in packs that are gone, last."""

    def open_pack(self, pack_id: PackId) -> AbstractContextManager[OpenPack]: ...

    def pack_heads(self, pack_ids: Sequence[PackId]) -> list[bytes]:
        """The heads of packs, as they are in the store; empty of one that can't be read."""

    def pack_info(self, pack_id: PackId) -> PackInfo | None: ...

    def packs(self) -> Iterable[PackInfo]:
        """All packs the index knows."""

    def stored_packs(self) -> Iterable[tuple[PackId, int]]:
        """All packs in the store with their lengths, whether or not the index knows them."""

    def mark_proved(self, pack_id: PackId) -> None:
        """The core has just read the pack to its end, and every chunk is what it was."""

    def mark_damaged(self, pack_id: PackId, state: PackState) -> None:
        """DAMAGED, LOST, or back to USABLE after a repair."""

    def snapshots(self) -> list[SnapshotId]:
        """Names of all snapshot objects in the vault, recorded or only staged."""

    def read_snapshot(self, snapshot_id: SnapshotId) -> bytes: ...

    def delete_snapshot(self, snapshot_id: SnapshotId) -> None:
        """Remove the object; the core has written the deletion's record first. One that is the parent of a live lease
        goes when that lease ends, and is no parent for a new one."""

    def append_record(self, sequence: int, record: bytes, lease: LeaseId | None = None) -> None:
        """Store record number `sequence` durably, if absent; a different one under that number is an error.

        A commit names its job's lease, and is refused once that lapsed (`LeaseLapsed`): prune may have swept since."""

    def records(self, after: int = 0) -> list[tuple[int, bytes]]: ...

    def condemn(self, pack_ids: Sequence[PackId], seen_record: int | None = None) -> int:
        """Prune's phase one. Packs that a live lease was told of, or that were stored under one, are left out; chunks
        of the condemned count as missing from now on. Returns the number of the sweep.

        `seen_record` is the newest record that the plan took into account. Where a snapshot was committed since, its
        packs may be among those planned for: nothing is condemned, and PlanOutdated raised; the core plans anew."""

    def sweep(self, sweep: int) -> "SweepResult":
        """Prune's phase two: delete the packs of a sweep, once every lease opened before it has ended."""

    def void_sweeps(self) -> None:
        """Give every open sweep up: what it condemned gets back the state that it had."""

    def contents_of(self, pack_ids: Sequence[PackId]) -> list[PackContents | None]:
        """What merged index objects, or else the index, know of these packs; None of one that the index doesn't know.
        The index is searched as a whole for it: ask for many at once."""

    def look_after(self, *, mend: bool = False) -> Upkeep:
        """The state of the objects that the node keeps for itself; with `mend`, damaged index objects are first
        written anew from the packs."""

    def rebuild_index(self) -> RebuildResult:
        """Drop the index and make it anew from heads and tails of the packs in the store."""


class SweepResult(msgspec.Struct, frozen=True):
    done: bool
    """False: leases that were open before the sweep still live; nothing was deleted."""
    waiting_for: tuple[str, ...] = ()
    """Jobs whose leases the sweep waits for."""
    packs: int = 0
    bytes: int = 0
