"""Where work is done, in a worker process or in the job's own: reads blocks, opens them, writes entries."""

import os
from collections.abc import Callable, Iterator, Sequence

from phoenix_core.agent.domainaccess import domain_keys
from phoenix_core.agent.restore import workermessages as wire
from phoenix_core.agent.restore.errors import DestinationMoved
from phoenix_core.agent.restore.folders import FolderCache, identity_of, open_root
from phoenix_core.agent.restore.packshelf import PackShelf
from phoenix_core.agent.restore.records import Outcome
from phoenix_core.agent.restore.slots import TempNames
from phoenix_core.agent.restore.write import EntryWriter
from phoenix_core.agent.restore.writelarge import LargeWriter
from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.names import shown
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef, Location

CACHE_BYTES = 8 * 2**20
"""Files come in the order of their blocks, so that few are read again."""


class Workbench:
    """Not thread-safe. Holds descriptors until `close`."""

    def __init__(
        self, setup: wire.Setup, node: JobNode, tick: Callable[[], None], *, without_mask: bool = False
    ) -> None:
        """`tick` is called after each chunk. `without_mask`: the process has umask 0.

        Raises `DestinationMoved` and OSError."""
        self.path = b""
        """What is being worked on."""
        self.bytes_done = 0
        """Of the work in hand."""
        self._tick = tick
        self._packs = PackShelf(node.open_pack)
        self._places: dict[ChunkId, Location] = {}
        self._block_keys: dict[BlockRef, bytes] = {}
        keys = domain_keys(setup.domain)
        reader = ChunkReader(
            self._locate, self._packs.open_pack, self._keys, keys, PackKind.DATA, cache_bytes=CACHE_BYTES
        )
        self._root = _open_root(setup)
        self._folders = FolderCache(self._root)
        self._writer = EntryWriter(
            self._folders,
            setup.rule,
            setup.stamp,
            TempNames(setup.job, setup.number),
            reader,
            keys.data_id_key,
            self._chunk_done,
            without_mask=without_mask,
        )
        self._large = LargeWriter(self._writer)

    @property
    def fetched_bytes(self) -> int:
        """Bytes that came from storage."""
        return self._packs.fetched_bytes

    def do(self, work: wire.Work) -> wire.Done:
        """Raises `DestinationFull`, `DestinationNotWritable`, and what the node and the core raise."""
        self.bytes_done = 0
        if isinstance(work, wire.Large):
            outcomes: tuple[Outcome, ...] = (self._step(work),)
        else:
            outcomes = tuple(self._put(work) if isinstance(work, wire.Batch) else self._link(work))
        return wire.Done(work.number, outcomes, self.fetched_bytes)

    def close(self) -> None:
        self._packs.close()
        self._folders.close()
        os.close(self._root)

    def _put(self, batch: wire.Batch) -> Iterator[Outcome]:
        self._use_blocks(batch.blocks, batch.places)
        for item in batch.items:
            self.path = item.path
            yield self._writer.put(item)

    def _link(self, links: wire.Links) -> Iterator[Outcome]:
        for item, anchor in zip(links.items, links.anchors, strict=True):
            self.path = item.path
            yield self._writer.link(item, anchor)

    def _step(self, work: wire.Large) -> Outcome:
        self._use_blocks(work.blocks, work.places)
        self.path = work.item.path
        return self._large.do(work)

    def _use_blocks(self, blocks: Sequence[wire.Block], places: Sequence[wire.Place]) -> None:
        self._block_keys = {BlockRef(block.pack_id, block.ordinal): block.key for block in blocks}
        self._places = {ChunkId(place.chunk): _location(blocks[place.block], place) for place in places}

    def _locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        return [self._places.get(chunk) for chunk in ids]

    def _keys(self, refs: Sequence[BlockRef]) -> list[bytes]:
        return [self._block_keys[ref] for ref in refs]

    def _chunk_done(self, count: int) -> None:
        self.bytes_done += count
        self._tick()


def _location(block: wire.Block, place: wire.Place) -> Location:
    return Location(block.pack_id, block.ordinal, block.offset, block.length, place.offset, place.length)


def _open_root(setup: wire.Setup) -> int:
    """The destination, which must still be the folder that the job opened."""
    fd = open_root(setup.root)
    if identity_of(os.fstat(fd)) == (setup.device, setup.inode):
        return fd
    os.close(fd)
    raise DestinationMoved(path=shown(setup.root))
