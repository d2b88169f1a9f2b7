"""What a restore may read: the packs and blocks that hold the selected paths, and nothing beside.

The core reads the trees with its own keys, and remembers every copy of every chunk that the restore comes across. Of
each chunk one copy is chosen; its pack goes on the grant. Of the granted packs, the agent gets the keys of the blocks
with chunks that it needs. Blocks are bits of one number per pack (of each 1,024 blocks, should it have more), and of a
folder one node of its tree is held at a time, so that a restore of terabytes fits in memory. Packs of the snapshot's
server and of the server that restores are granted as they are; for those of others see `shared_packs`.

An agent may plan its restore meanwhile: then the packs and blocks that hold trees count as granted as soon as the walk
comes to them. They are a part of the grant that comes out in the end, whatever else does.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.errors import Cancelled, PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.domain.names import shown
from phoenix_core.engine.shared_packs import OpenCopies, SharedPacks
from phoenix_core.engine.vault import OpenVault
from phoenix_core.storage.errors import StorageFull, StorageReadOnly
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.errors import ChunkDamaged, ChunkMissing, HostileTree, PathNotInSnapshot
from phoenix_core.vault.filelists import entry_chunks
from phoenix_core.vault.locateahead import AheadSource, LocateAhead
from phoenix_core.vault.location import BlockRef, Location
from phoenix_core.vault.tree import read_checked_pages, read_tree, with_parts
from phoenix_core.vault.treewalk import descend
from phoenix_core.vault.windowsentry import is_windows, streams_of

Grown = Callable[["Grant", list[PackId]], None]
BATCH = 4096
"""Chunks that are asked for at once."""
BITS = 1024
"""Blocks that share one number: the node tells which block it is, and a large number alone would take memory."""
REMEMBERED = 2**16
"""So many chunks that were located are remembered."""


class Grant:
    """The packs and blocks of one restore job."""

    def __init__(self) -> None:
        self._copies: dict[tuple[bytes, int], int] = {}
        self._chosen: set[bytes] = set()
        self._tree_packs: dict[bytes, None] = {}
        self.files = 0
        self.bytes = 0
        self.unreadable: list[tuple[str, str]] = []
        """Folders and files whose metadata is damaged or lost, and why."""
        self.opened_blocks: list[BlockRef] = []
        """Blocks of other servers' packs that are read as they are for want of space for copies."""

    def add(self, chosen: Iterable[Location | None], copies: Iterable[Sequence[Location]]) -> None:
        for place in chosen:
            if place is not None:
                self._chosen.add(place.pack_id)
                self._mark(place)
        for places in copies:
            for place in places:
                self._mark(place)

    def add_blocks(self, blocks: Iterable[BlockRef]) -> None:
        for block in blocks:
            self._chosen.add(block.pack_id)
            self._mark(block)

    def new_tree_packs(self, places: Iterable[Location | None]) -> list[PackId]:
        """Granted packs that hold these trees and were not told of yet."""
        packs = {place.pack_id for place in places if place is not None and place.pack_id in self._chosen}
        new = [PackId(pack) for pack in sorted(packs - self._tree_packs.keys())]
        self._tree_packs.update(dict.fromkeys(new))
        return new

    def _mark(self, place: Location | BlockRef) -> None:
        part, bit = divmod(place.ordinal, BITS)
        self._copies[place.pack_id, part] = self._copies.get((place.pack_id, part), 0) | 1 << bit

    @property
    def packs(self) -> list[PackId]:
        return [PackId(pack) for pack in sorted(self._chosen)]

    def allows(self, block: BlockRef) -> bool:
        """Also while it grows, from any thread: what is allowed once stays so."""
        part, bit = divmod(block.ordinal, BITS)
        return block.pack_id in self._chosen and bool(self._copies.get((block.pack_id, part), 0) >> bit & 1)


def plan_grant(
    vault: OpenVault,
    snapshot: SnapshotRow,
    paths: Sequence[bytes],
    stop: threading.Event,
    open_copies: OpenCopies | None = None,
    to_server: str = "",
    *,
    trusted: bool = False,
    trees_only: bool = False,
    grown: Grown | None = None,
) -> Grant:
    """Walk the selected paths (none: everything) and collect what a restore of them reads, copying what only other
    servers' packs hold. Blocks.

    Raises PathNotInSnapshot for a path that isn't there, Cancelled once `stop` is set. What can't be read of the
    trees is noted: the agent reports it as missing. Without `open_copies` nothing is copied. `trusted`: an operator
    asked, so that copies of other servers help where they can, and the restore goes on with others' blocks where there
    is no space for copies, or the vault is read-only. `trees_only`: what is in the files isn't needed. `grown` is told
    the grant each time that trees were added, with the packs that are new by that: first once all paths are known to be
    there."""
    planner = _Planner(vault, snapshot, stop, to_server or snapshot.server_id, trusted=trusted, trees_only=trees_only)
    return planner.plan(paths, open_copies, grown)


class _Planner:
    def __init__(
        self,
        vault: OpenVault,
        snapshot: SnapshotRow,
        stop: threading.Event,
        to_server: str,
        *,
        trusted: bool,
        trees_only: bool,
    ) -> None:
        self._vault = vault
        self._trees_only = trees_only
        homes = (snapshot.server_id, to_server)
        self._shared = SharedPacks(vault, snapshot.domain, snapshot.epoch, homes, trusted=trusted)
        self._trusted = trusted
        self._snapshot = snapshot
        self._stop = stop
        self._grant = Grant()
        ahead = LocateAhead(self._locate_trees)
        self._source = AheadSource(vault.reader(snapshot.domain, snapshot.epoch, locate=ahead), ahead)
        self._data: set[ChunkId] = set()
        self._located: set[ChunkId] = set()
        self._new_packs: list[PackId] = []
        self._grown: Grown | None = None

    def plan(self, paths: Sequence[bytes], open_copies: OpenCopies | None, grown: Grown | None) -> Grant:
        selected = [each for path in dict.fromkeys(paths or (b"/",)) for each in self._entries(path)]
        self._grown = grown
        self._tell()
        for at, entry in selected:
            self._walk(at, entry)
        self._flush()
        self._settle(open_copies)
        return self._grant

    def _settle(self, open_copies: OpenCopies | None) -> None:
        """What only packs of others hold: granted where the agent learns nothing else by it, or copied."""
        given, to_copy = self._shared.settle()
        self._grant.add_blocks(given)
        if not to_copy or open_copies is None:
            return
        try:
            with open_copies() as target:
                copied = self._shared.copy(to_copy, target)
        except (StorageFull, StorageReadOnly):
            if not self._trusted:
                raise
            self._grant.opened_blocks = self._shared.touched()
            self._grant.add_blocks(self._grant.opened_blocks)
            return
        for start in range(0, len(copied), BATCH):
            self._check()
            self._locate(copied[start : start + BATCH])

    def _entries(self, path: bytes) -> Iterator[tuple[bytes, Entry]]:
        """What is selected by a path: an entry, and on Windows its named streams beside it."""
        try:
            way = descend(self._source, self._snapshot.root, path)
            entry = way[-1][1]
            yield path, entry
            if len(way) > 1 and is_windows(entry):
                above = path.rpartition(b"/")[0]
                for stream in streams_of(entry.name, read_tree(self._source, way[-2][1].tree)):
                    yield above + b"/" + stream.name, stream
        except PathNotInSnapshot:
            raise
        except (ChunkMissing, ChunkDamaged, HostileTree) as error:
            self._note(path, error)

    def _walk(self, path: bytes, entry: Entry) -> None:
        if entry.is_file:
            self._add_listed(path, entry)
        pending = [(path, entry.tree)] if entry.is_directory else []
        while pending:
            self._check()
            at, tree = pending.pop()
            above = at.rstrip(b"/") + b"/"
            below: list[Entry] = []
            try:
                for page in read_checked_pages(self._source, tree):
                    self._add_files(above, page)
                    below += [child for child in page if child.is_directory]
            except (ChunkMissing, ChunkDamaged, HostileTree) as error:
                self._note(at, error)
            # In the order in which an agent that plans meanwhile comes to them.
            self._source.hint([ChunkId(child.tree) for child in below])
            pending += [(above + child.name, child.tree) for child in reversed(below)]

    def _add_files(self, above: bytes, page: Sequence[Entry]) -> None:
        """A node's entries: those that hold all that they need together, those with something in lists one by one."""
        plain: list[Entry] = []
        for entry in page:
            if entry.chunk_list or entry.extent_list or entry.xattr_list:
                self._add_listed(above + entry.name, entry)
            elif entry.is_file:
                plain.append(entry)
        self._grant.files += len(plain)
        self._grant.bytes += sum([entry.data_bytes for entry in plain])
        if not self._trees_only:
            self._data.update([ChunkId(ref.id) for entry in plain for ref in entry.chunks])
        self._flush(at_least=BATCH)

    def _add_listed(self, path: bytes, entry: Entry) -> None:
        self._check()
        self._grant.files += entry.is_file
        try:
            entry = with_parts(self._source, entry)
            if not entry.is_file:
                return
            self._grant.bytes += entry.data_bytes
            for ref in entry_chunks(self._source, entry):
                if not self._trees_only:
                    self._data.add(ChunkId(ref.id))
                    self._flush(at_least=BATCH)
        except (ChunkMissing, ChunkDamaged, HostileTree) as error:
            self._note(path, error)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled(who="the core")

    def _flush(self, at_least: int = 1) -> None:
        """Copies of files have the same chunks: those located lately are passed over."""
        if len(self._data) < at_least:
            return
        self._data -= self._located
        while len(self._data) >= at_least:
            self._check()
            wanted = list(islice(self._data, BATCH))
            self._data.difference_update(wanted)
            self._locate(wanted)
            if len(self._located) > REMEMBERED:
                self._located.clear()
            self._located.update(wanted)

    def _locate_trees(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        found = self._locate(ids)
        self._new_packs += self._grant.new_tree_packs(found)
        self._tell()
        return found

    def _tell(self) -> None:
        if self._grown is not None:
            new, self._new_packs = self._new_packs, []
            self._grown(self._grant, new)

    def _locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        found: list[Location | None] = []
        blocks: dict[tuple[bytes, int], Location] = {}
        for chunk, copies in zip(ids, self._vault.node.locate_all(ids), strict=True):
            if len(copies) == 1 and self._shared.is_sound_own(copies[0]):
                blocks[copies[0].pack_id, copies[0].ordinal] = copies[0]
                found.append(copies[0])
                continue
            own, others = self._shared.sort(chunk, copies)
            self._grant.add(own[:1], (own,))
            good = [place for place in own if self._shared.is_usable(place)]
            found.append(next(iter((*good, *others, *own)), None))
        self._grant.add(blocks.values(), ())
        return found

    def _note(self, path: bytes, error: PhoenixError) -> None:
        self._grant.unreadable.append((shown(path), error.code))
