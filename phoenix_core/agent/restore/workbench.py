"""Where work is done, in a worker process or in the job's own: reads blocks, opens them, writes entries."""

import os
from collections.abc import Callable, Iterator

from phoenix_core.agent.domainaccess import domain_keys
from phoenix_core.agent.restore import workermessages as wire
from phoenix_core.agent.restore.blocksource import BlockSource
from phoenix_core.agent.restore.completed import completed
from phoenix_core.agent.restore.errors import DestinationMoved
from phoenix_core.agent.restore.folders import FolderCache, identity_of, open_root
from phoenix_core.agent.restore.packshelf import PackShelf
from phoenix_core.agent.restore.records import WRITTEN, Outcome
from phoenix_core.agent.restore.slots import TempNames
from phoenix_core.agent.restore.write import EntryWriter
from phoenix_core.agent.restore.writelarge import LargeWriter
from phoenix_core.domain.names import shown
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.entry import Entry


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
        keys = domain_keys(setup.domain)
        self._source = BlockSource(self._packs, keys.data_id_key)
        self._root = _open_root(setup)
        self._folders = FolderCache(self._root)
        self._writer = EntryWriter(
            self._folders,
            setup.rule,
            setup.stamp,
            TempNames(setup.job, setup.number),
            self._source,
            keys.data_id_key,
            self._chunk_done,
            without_mask=without_mask,
        )
        self._large = LargeWriter(self._writer)

    @property
    def fetched_bytes(self) -> int:
        """Bytes that came from storage."""
        return self._packs.fetched_bytes

    def do(self, work: wire.Task) -> wire.Done:
        """Raises `DestinationFull`, `DestinationNotWritable`, and what the node and the core raise."""
        self.bytes_done = 0
        if isinstance(work, wire.Batch):
            return self._put(work)
        outcomes = (self._step(work),) if isinstance(work, wire.Large) else tuple(self._link(work))
        return wire.Done(work.number, self.path, tuple(enumerate(outcomes)), fetched_bytes=self.fetched_bytes)

    def close(self) -> None:
        self._packs.close()
        self._folders.close()
        os.close(self._root)

    def _put(self, batch: wire.Batch[Entry]) -> wire.Done:
        self._source.use(batch.blocks, batch.places)
        folders, put = batch.folders, self._writer.put_in_place if batch.in_place else self._writer.put
        told: list[tuple[int, Outcome]] = []
        completes: list[bytes] = []
        files = others = file_bytes = 0
        for number, wanted in enumerate(batch.entries):
            entry = wanted.entry
            folder = folders[wanted.folder]
            self.path = path = folder.source + b"/" + entry.name
            outcome = put(folder.item(entry, wanted.known, wanted.begun))
            if outcome.is_there:
                completes.append(completed(path, outcome.inode, outcome.ctime_ns))
            is_plain = not (outcome.problems or outcome.removed_entries) and outcome.name == entry.name
            if outcome.state != WRITTEN or not is_plain or wanted.tell:
                told.append((number, outcome))
            elif entry.is_file:
                files += 1
                file_bytes += entry.size
            else:
                others += 1
        return wire.Done(
            batch.number, self.path, tuple(told), files, others, file_bytes, b"".join(completes), self.fetched_bytes
        )

    def _link(self, links: wire.Links) -> Iterator[Outcome]:
        for item, anchor in zip(links.items, links.anchors, strict=True):
            self.path = item.path
            yield self._writer.link(item, anchor)

    def _step(self, work: wire.Large) -> Outcome:
        self._source.use(work.blocks, work.places)
        self.path = work.item.path
        return self._large.do(work)

    def _chunk_done(self, count: int) -> None:
        self.bytes_done += count
        self._tick()


def _open_root(setup: wire.Setup) -> int:
    """The destination, which must still be the folder that the job opened."""
    fd = open_root(setup.root)
    if identity_of(os.fstat(fd)) == (setup.device, setup.inode):
        return fd
    os.close(fd)
    raise DestinationMoved(path=shown(setup.root))
