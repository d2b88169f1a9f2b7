"""The quick look of a verify: whether everything that a snapshot needs can be had. Core only.

In a vault in order that is all there is to find out, and it is found out for many chunks at once, in a thread beside
the reading of packs. Where it doesn't hold, `verify_trees` names the files."""

from collections import deque
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, SnapshotId
from phoenix_core.vault.corereader import CoreReader
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.locateahead import AheadSource
from phoenix_core.vault.maintenance_node import IsCancelled, MaintenanceNode
from phoenix_core.vault.snapshot import SnapshotBody
from phoenix_core.vault.tree import entry_chunks, read_checked_pages, read_missing, with_parts
from phoenix_core.vault.vaultkey import VaultKey

ASK_CHUNKS = 4096
FOUND_MAX = 2**16
"""So many chunks that were found are remembered: copies of files have the same."""


class WholeLook:
    """Looks at the snapshots, one after the other. Entered and left by one thread; leaving it ends the look."""

    def __init__(
        self, node: MaintenanceNode, key: VaultKey, cancelled: IsCancelled, spoiled: Collection[bytes] = ()
    ) -> None:
        """`spoiled`: ids of packs in which nothing counts as there."""
        self._node = node
        self._spoiled = spoiled
        self._core = CoreReader(node, key)
        self._cancelled = cancelled
        self._left = False
        self._found: set[ChunkId] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="verify-trees")
        self._looks: dict[SnapshotId, Future[bool]] = {}
        self.trees: set[bytes] = set()
        """Of the snapshots that are whole."""
        self.files = 0
        """In those trees."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def begin(self, snapshots: Sequence[SnapshotId]) -> None:
        self._looks = {name: self._thread.submit(self._look, name) for name in snapshots}

    def is_whole(self, name: SnapshotId) -> bool:
        """Waits until that is known. False also where it couldn't be found out."""
        return self._looks[name].result()

    def end(self) -> None:
        """What isn't known yet won't be."""
        self._left = True
        self._thread.shutdown(cancel_futures=True)

    def _look(self, name: SnapshotId) -> bool:
        met: set[bytes] = set()
        try:
            body = self._core.snapshot(name)
            files = self._walk(body, self._core.trees_of(body), met)
        except PhoenixError:
            files = None  # one that may pass is met again by whoever looks closer
        if files is None:
            self.trees -= met
            return False
        self.files += files
        return True

    def _walk(self, body: SnapshotBody, source: AheadSource, met: set[bytes]) -> int | None:
        """The number of files in the trees that no snapshot before had; None where something is missing."""
        files = 0
        wanted: set[ChunkId] = set()
        stack = [body.root]
        while stack:
            if self._left or self._cancelled():
                return None
            tree = stack.pop()
            if tree in self.trees:
                continue
            self.trees.add(tree)
            met.add(tree)
            below: list[bytes] = []
            for page in read_checked_pages(source, tree):
                files += len([entry for entry in page if entry.type is EntryType.FILE])
                below += [entry.tree for entry in page if entry.tree]
                wanted.update([ChunkId(ref.id) for entry in page for ref in entry.chunks])
                if not self._in_reach(wanted) or not self._lists_are_there(source, page, wanted):
                    return None
            source.hint([ChunkId(each) for each in below])
            stack += below
        if body.missing_list:
            deque(read_missing(source, body.missing_list), maxlen=0)
        return files if self._are_there(wanted) else None

    def _lists_are_there(self, source: AheadSource, page: Sequence[Entry], wanted: set[ChunkId]) -> bool:
        """Of a node's entries what lies in lists."""
        for entry in page:
            if entry.chunk_list or entry.extent_list or entry.xattr_list:
                for ref in entry_chunks(source, with_parts(source, entry)):
                    wanted.add(ChunkId(ref.id))
                    if not self._in_reach(wanted):
                        return False
        return True

    def _in_reach(self, wanted: set[ChunkId]) -> bool:
        """Whether they are there, where it is time to ask."""
        return len(wanted) < ASK_CHUNKS or self._are_there(wanted)

    def _are_there(self, wanted: set[ChunkId]) -> bool:
        """Empties `wanted`."""
        unknown = list(wanted - self._found)
        places = self._node.locate(unknown)
        if None in places or (self._spoiled and any(place.pack_id in self._spoiled for place in places if place)):
            return False
        if len(self._found) + len(unknown) > FOUND_MAX:
            self._found.clear()
        self._found.update(unknown)
        wanted.clear()
        return True
