"""Which chunks the vault's snapshots need: the mark phase of prune. Core only.

Records decide which snapshots count. A snapshot object without a record is *staged*: it counts while its job's lease
lives, since the core may record it yet. A tree that can't be read ends the mark: what it needs is not known.
"""

from collections import deque
from collections.abc import Iterable

import msgspec

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, SnapshotId
from phoenix_core.vault.corereader import CoreReader
from phoenix_core.vault.errors import VaultError
from phoenix_core.vault.filelists import EXTENT_LIST, XATTR_LIST
from phoenix_core.vault.listnode import ListKind, read_list_pages
from phoenix_core.vault.maintenance_node import IsCancelled, MaintenanceNode, never_cancelled
from phoenix_core.vault.record import Record, live_snapshots, set_aside_snapshots, verify_chain
from phoenix_core.vault.snapshot import SnapshotBody
from phoenix_core.vault.tree import TREE, read_chunk_list, read_missing
from phoenix_core.vault.treewalk import RecordingSource
from phoenix_core.vault.vaultkey import VaultKey


class MarkFailed(VaultError):
    """A needed snapshot can't be read in full, so it isn't known which chunks it needs."""

    code = "mark_failed"
    template = "Nothing was pruned: snapshot {snapshot} can't be read in full: {detail}"
    hint = (
        "Run `phoenix vault verify`; back its server up again, or remove the snapshot with `phoenix snapshot remove "
        "--at-once`."
    )


class MaintenanceCancelled(VaultError):
    code = "maintenance_cancelled"
    template = "{what} was cancelled."
    hint = "Nothing was lost; start it again at any time."


class Inventory(msgspec.Struct, frozen=True):
    """The snapshots of a vault, by what the records say of them."""

    live: dict[SnapshotId, Record]
    """Committed and not removed, in the order of their records."""
    stored: frozenset[SnapshotId]
    """Objects that are there, live or not."""
    last_record: int
    aside: frozenset[SnapshotId] = frozenset()
    """Of the live ones: those whose removal can still be undone."""

    @property
    def leftover(self) -> frozenset[SnapshotId]:
        """Objects without a live record: staged, abandoned, or removed but for the object."""
        return self.stored - self.live.keys()


def take_inventory(node: MaintenanceNode, key: VaultKey, stored: frozenset[SnapshotId] | None = None) -> Inventory:
    """`stored`: the objects, where the caller listed them before. Raises `RecordDamaged` where the chain of records is
    broken."""
    if stored is None:
        stored = frozenset(node.snapshots())
    records = node.records()
    chain = verify_chain(records, key.record_public_key())
    aside = frozenset(set_aside_snapshots(chain))
    return Inventory(live_snapshots(chain), stored, records[-1][0] if records else 0, aside)


class Needs(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"chunks": "c", "chunk_list": "cl", "tree": "d", "extent_list": "el", "xattr_list": "xl"},
):
    """Of a tree's entry what it needs; the rest is passed over. See `vault.entry.Entry`."""

    chunks: tuple[tuple[bytes, int], ...] = ()
    chunk_list: bytes = b""
    tree: bytes = b""
    extent_list: bytes = b""
    xattr_list: bytes = b""


NEEDS: ListKind[Needs] = ListKind(TREE.magic, Needs, cut_by=lambda needs: b"", check=False)


class Marker:
    """Collects what snapshots need. Trees that several snapshots share are read once."""

    def __init__(self, node: MaintenanceNode, key: VaultKey, cancelled: IsCancelled = never_cancelled) -> None:
        self._core = CoreReader(node, key)
        self._cancelled = cancelled
        self._trees: set[bytes] = set()
        self.chunks: set[ChunkId] = set()
        """Every chunk that a marked snapshot needs, data and metadata."""
        self.marked: set[SnapshotId] = set()

    def mark(self, snapshots: Iterable[SnapshotId]) -> None:
        """Add what these need; those marked before are passed over. Raises `MarkFailed`, `MaintenanceCancelled`."""
        for name in snapshots:
            if name in self.marked:
                continue
            try:
                self._mark_body(self._core.snapshot(name))
            except MaintenanceCancelled:
                raise
            except PhoenixError as error:
                if error.retryable:
                    raise
                raise MarkFailed(snapshot=name[:12], detail=error.message) from error
            self.marked.add(name)

    def mark_waiting(self, snapshots: Iterable[SnapshotId]) -> set[ChunkId]:
        """As `mark`; the chunks that none of those marked before needs."""
        before, self.chunks = self.chunks, set()
        try:
            self.mark(snapshots)
        finally:
            waiting = self.chunks - before
            before |= waiting
            self.chunks = before
        return waiting

    def snapshot(self, name: SnapshotId) -> SnapshotBody:
        return self._core.snapshot(name)

    def _mark_lists(self, source: RecordingSource, needs: Needs) -> None:
        if needs.chunk_list:
            self.chunks.update([ChunkId(ref.id) for ref in read_chunk_list(source, needs.chunk_list)])
        if needs.extent_list:
            deque(read_list_pages(source, EXTENT_LIST, needs.extent_list), maxlen=0)
        if needs.xattr_list:
            deque(read_list_pages(source, XATTR_LIST, needs.xattr_list), maxlen=0)

    def _mark_body(self, body: SnapshotBody) -> None:
        trees = self._core.trees_of(body)
        source = RecordingSource(trees)
        if body.missing_list:
            for _ in read_missing(source, body.missing_list):
                pass
        stack = [body.root]
        while stack:
            if self._cancelled():
                raise MaintenanceCancelled(what="The prune")
            tree = stack.pop()
            if tree in self._trees:
                continue
            for page in read_list_pages(source, NEEDS, tree):
                below = [needs.tree for needs in page if needs.tree and needs.tree not in self._trees]
                trees.hint([ChunkId(each) for each in below])
                stack += below
                self.chunks.update([ChunkId(chunk) for needs in page for chunk, _ in needs.chunks])
                for needs in page:
                    if needs.chunk_list or needs.extent_list or needs.xattr_list:
                        self._mark_lists(source, needs)
            self._trees.add(tree)
            self.chunks |= source.ids
            source.ids.clear()
        self.chunks |= source.ids
