"""Chooses at random, from a seed that is recorded, which files of a snapshot a drill restores.

Files are sorted into classes by size and by age at the time of the backup, and the classes take turns, so that large
and small, old and new ones come up, however many there are of each. Within a class the order is that of a hash of seed
and path: the same snapshot and seed give the same sample, whatever else the walk meets.
"""

import heapq
import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec
from blake3 import blake3

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.drills import Sample
from phoenix_core.domain.errors import Cancelled
from phoenix_core.domain.ids import ChunkId
from phoenix_core.engine.drills.errors import NothingFits
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.errors import ChunkDamaged, ChunkMissing, HostileTree
from phoenix_core.vault.locateahead import AheadSource, LocateAhead
from phoenix_core.vault.tree import read_checked_pages

SIZE_CLASSES = (1, 4 << 10, 256 << 10, 16 << 20)
"""Empty, within a block, one chunk, some chunks, many."""
DAY_NS = 86_400 * 10**9
AGE_CLASSES_NS = (7 * DAY_NS, 90 * DAY_NS, 365 * DAY_NS)
LINKS = (len(SIZE_CLASSES) + 1, 0)
"""The class of symbolic links; folders come with what is in them."""
UNREADABLE_MOST = 1000


class Chosen(msgspec.Struct, frozen=True):
    paths: tuple[bytes, ...] = ()
    """Empty: the whole snapshot."""
    files: int = 0
    bytes: int = 0
    seen: int = 0
    """How many files and links there are to choose from."""
    too_large: int = 0
    """Passed over, since they would not have fitted."""
    unreadable: int = 0
    """Folders whose trees can't be read: they are among the paths, so that the drill tells what becomes of them."""


class _Candidate(msgspec.Struct, frozen=True, order=True):
    rank: bytes
    path: bytes
    size: int


def choose(vault: OpenVault, snapshot: SnapshotRow, sample: Sample, seed: str, stop: threading.Event) -> Chosen:
    """Reads the snapshot's trees. Those that can't be read are tried, whatever else fits. Blocks; raises NothingFits,
    Cancelled once `stop` is set, what the node raises."""
    if sample.is_all:
        return Chosen()
    walk = _Walk(vault, snapshot, sample.files, seed, stop)
    walk.run()
    paths: list[bytes] = []
    size = too_large = 0
    for candidate in _in_turn(walk.classes()):
        if len(paths) == sample.files:
            break
        if sample.bytes and size + candidate.size > sample.bytes:
            too_large += 1
            continue
        paths.append(candidate.path)
        size += candidate.size
    if not paths and walk.seen and not walk.unreadable:
        raise NothingFits(snapshot=snapshot.id[:12], files=walk.seen, bytes=sample.bytes)
    return Chosen(
        paths=tuple(sorted((*paths, *walk.unreadable))),
        files=len(paths),
        bytes=size,
        seen=walk.seen,
        too_large=too_large,
        unreadable=len(walk.unreadable),
    )


def _in_turn(classes: Iterable[list[_Candidate]]) -> Iterator[_Candidate]:
    """One of each, then the next of each."""
    left = [iter(sorted(each)) for each in classes]
    while left:
        again = []
        for each in left:
            candidate = next(each, None)
            if candidate is not None:
                again.append(each)
                yield candidate
        left = again


class _Walk:
    def __init__(self, vault: OpenVault, snapshot: SnapshotRow, most: int, seed: str, stop: threading.Event) -> None:
        ahead = LocateAhead(vault.node.locate)
        self._source = AheadSource(vault.reader(snapshot.domain, snapshot.epoch, locate=ahead), ahead)
        self._root = snapshot.root
        self._taken_ns = int(snapshot.created_at.timestamp() * 1e9)
        self._most = most
        self._key = blake3(seed.encode()).digest()
        self._stop = stop
        self._heaps: defaultdict[tuple[int, int], list[tuple[bytes, bytes, int]]] = defaultdict(list)
        """Of each class those with the lowest ranks; ranks are complemented, so that the highest is on top."""
        self.seen = 0
        self.unreadable: list[bytes] = []

    def run(self) -> None:
        pending = [(b"", self._root)]
        while pending:
            if self._stop.is_set():
                raise Cancelled(who="the core")
            above, tree = pending.pop()
            below: list[Entry] = []
            try:
                for page in read_checked_pages(self._source, tree):
                    for entry in page:
                        if entry.is_directory:
                            below.append(entry)
                        elif entry.is_file or entry.type is EntryType.SYMLINK:
                            self._offer(above + b"/" + entry.name, entry)
            except (ChunkMissing, ChunkDamaged, HostileTree):
                if len(self.unreadable) < UNREADABLE_MOST:
                    self.unreadable.append(above or b"/")
            self._source.hint([ChunkId(entry.tree) for entry in reversed(below)])
            pending += [(above + b"/" + entry.name, entry.tree) for entry in below]

    def classes(self) -> list[list[_Candidate]]:
        return [
            [_Candidate(_complement(rank), path, size) for rank, path, size in heap]
            for _, heap in sorted(self._heaps.items())
        ]

    def _offer(self, path: bytes, entry: Entry) -> None:
        self.seen += 1
        rank = _complement(blake3(path, key=self._key).digest(16))
        heap = self._heaps[self._class_of(entry)]
        # Of a file with extents in a list its size is the upper limit of its data.
        item = (rank, path, entry.data_bytes)
        if len(heap) < self._most:
            heapq.heappush(heap, item)
        elif rank > heap[0][0]:
            heapq.heapreplace(heap, item)

    def _class_of(self, entry: Entry) -> tuple[int, int]:
        if not entry.is_file:
            return LINKS
        age_ns = self._taken_ns - entry.mtime_ns
        return bisect_right(SIZE_CLASSES, entry.size), bisect_right(AGE_CLASSES_NS, age_ns)


def _complement(rank: bytes) -> bytes:
    return bytes(255 - each for each in rank)
