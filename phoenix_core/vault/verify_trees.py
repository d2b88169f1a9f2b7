"""The walk over snapshots' trees that a verify makes: which files need a chunk that is not to be had. Core only."""

from collections.abc import Sequence
from itertools import islice

import msgspec

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, SnapshotId
from phoenix_core.vault.corereader import CoreReader
from phoenix_core.vault.damage import DamageBook
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.errors import ChunkDamaged, ChunkMissing
from phoenix_core.vault.maintenance_node import IsCancelled, MaintenanceNode
from phoenix_core.vault.mark import MaintenanceCancelled
from phoenix_core.vault.packproof import PackFault
from phoenix_core.vault.snapshot import SnapshotBody
from phoenix_core.vault.tree import entry_chunks, read_missing, read_tree
from phoenix_core.vault.treewalk import RecordingSource
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.verify_whole import WholeLook

ASK_CHUNKS = 4096


class _Hit(msgspec.Struct, frozen=True):
    """Something below a tree that can't be restored."""

    path: bytes
    """Relative to the tree, starting with '/'."""
    cause: str
    what: str


class _Frame:
    """A tree being walked: its entries still to do, and the hits so far."""

    def __init__(self, tree: bytes, name: bytes) -> None:
        self.tree = tree
        self.name = name
        self.folders: list[Entry] = []
        self.hits: list[_Hit] = []


class TreeVerifier:
    """Walks each distinct tree once and remembers what was wrong in it, for the other snapshots that share it."""

    def __init__(
        self,
        node: MaintenanceNode,
        key: VaultKey,
        faults: Sequence[PackFault],
        book: DamageBook,
        cancelled: IsCancelled,
        whole: WholeLook | None = None,
    ) -> None:
        """`whole`: trees that were found to lack nothing, as all that is below them."""
        self._node = node
        self._core = CoreReader(node, key)
        self._faults = {fault.pack_id: fault for fault in faults}
        self._book = book
        self._cancelled = cancelled
        self._known: dict[bytes, tuple[_Hit, ...]] = dict.fromkeys(whole.trees, ()) if whole else {}
        self.trees = len(self._known)
        self.files = whole.files if whole else 0
        self.leaning: set[bytes] = set()
        """Faulty packs that still hold something that is needed and lies nowhere else."""

    def verify(self, name: SnapshotId, body: SnapshotBody) -> None:
        """Enter into the book what of this snapshot can't be restored. Raises `MaintenanceCancelled`."""
        source = RecordingSource(self._core.trees_of(body))
        for hit in self._walk(source, body.root):
            self._book.hit(hit.cause, hit.what, name, hit.path or b"/")
        if body.missing_list:
            try:
                for _ in read_missing(source, body.missing_list):
                    pass
            except PhoenixError as error:
                self._book.hit(*self._cause_of(error), name, b"/")
        self._note_leaning(source)

    def _walk(self, source: RecordingSource, root: bytes) -> tuple[_Hit, ...]:
        stack = [self._enter(source, root, b"")]
        while True:
            frame = stack[-1]
            if frame.folders:
                folder = frame.folders.pop()
                known = self._known.get(folder.tree)
                if known is None:
                    stack.append(self._enter(source, folder.tree, folder.name))
                else:
                    frame.hits += _below(folder.name, known)
                continue
            stack.pop()
            hits = tuple(frame.hits)
            self._known[frame.tree] = hits
            if not stack:
                return hits
            stack[-1].hits += _below(frame.name, hits)

    def _enter(self, source: RecordingSource, tree: bytes, name: bytes) -> _Frame:
        if self._cancelled():
            raise MaintenanceCancelled(what="The verify")
        frame = _Frame(tree, name)
        self.trees += 1
        try:
            for entry in read_tree(source, tree):
                if entry.is_directory:
                    frame.folders.append(entry)
                elif entry.is_file:
                    self.files += 1
                    self._check_file(source, entry, frame)
        except PhoenixError as error:
            frame.hits.append(_Hit(b"", *self._cause_of(error)))
        self._note_leaning(source)
        return frame

    def _note_leaning(self, source: RecordingSource) -> None:
        """Of what was read of trees and lists since."""
        if self._faults and source.ids:
            self._check_chunks(list(source.ids), {})
        source.ids.clear()

    def _check_file(self, source: RecordingSource, entry: Entry, frame: _Frame) -> None:
        path = b"/" + entry.name
        causes: dict[str, str] = {}
        chunks = (ChunkId(ref.id) for ref in entry_chunks(source, entry))
        while True:
            try:
                batch = list(islice(chunks, ASK_CHUNKS))
            except PhoenixError as error:
                frame.hits.append(_Hit(path, *self._cause_of(error)))
                return
            if not batch:
                break
            self._check_chunks(batch, causes)
        frame.hits += [_Hit(path, cause, what) for cause, what in causes.items()]

    def _check_chunks(self, ids: Sequence[ChunkId], causes: dict[str, str]) -> None:
        """Add why any of them can't be had."""
        for chunk, copies in zip(ids, self._node.locate_all(ids, lost=True), strict=True):
            faults = [self._fault_at(chunk, copy.pack_id) for copy in copies]
            if all(copy.pack_id in self._faults for copy in copies):
                self.leaning |= {copy.pack_id for copy, fault in zip(copies, faults, strict=True) if fault is None}
            if not faults:
                causes[f"chunk {chunk.hex()}"] = f"Chunk {chunk.hex()[:16]} is in no pack of the vault."
            elif all(fault is not None for fault in faults):
                fault = next(fault for fault in faults if fault is not None)
                causes[fault.cause] = fault.text

    def _fault_at(self, chunk: ChunkId, pack_id: bytes) -> PackFault | None:
        """The fault that spoils this copy of the chunk, if any."""
        fault = self._faults.get(pack_id)
        if fault is None or (fault.bad_chunks is not None and chunk not in fault.bad_chunks):
            return None
        return fault

    def _cause_of(self, error: PhoenixError) -> tuple[str, str]:
        """A tree or list that can't be read: by the fault of its pack where that is known. An error that may pass is no
        damage: it ends the verify."""
        if error.retryable:
            raise error
        if isinstance(error, ChunkDamaged | ChunkMissing):
            chunk = ChunkId(bytes.fromhex(str(error.fields["chunk"])))
            for copy in self._node.locate_all([chunk], lost=True)[0]:
                fault = self._faults.get(copy.pack_id)
                if fault is not None:
                    return fault.cause, fault.text
            return f"chunk {chunk.hex()}", error.message
        return error.code, error.message


def _below(name: bytes, hits: Sequence[_Hit]) -> list[_Hit]:
    return [_Hit(b"/" + name + hit.path, hit.cause, hit.what) for hit in hits]
