"""Fills the destination (WF6.6): folders and files as the plan lists them, then links and nodes, then further links."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from phoenix_core.agent.restore import workermessages as wire
from phoenix_core.agent.restore.blockplan import BATCH_FILES, BlockPlan
from phoenix_core.agent.restore.damage import DAMAGED
from phoenix_core.agent.restore.dispatch import Dispatcher, Pool
from phoenix_core.agent.restore.foldermaker import FolderMaker
from phoenix_core.agent.restore.journal import Journal
from phoenix_core.agent.restore.largefile import LargeFiles, is_large
from phoenix_core.agent.restore.records import Anchor, Enter, FileRecord, Item, LatePut, Leave, Outcome, Put
from phoenix_core.agent.restore.tally import Tally
from phoenix_core.agent.restore.write import NO_LINK
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.filelists import entry_chunks

WINDOW_FILES = 8192
WINDOW_BYTES = 512 * 2**20


@dataclass
class _Group:
    """The names of one file or node with hard links."""

    anchor: Anchor | None = None
    lost: str = ""
    """Why its content can't be had."""
    waiting: list[LatePut] = field(default_factory=list)


class Filler:
    """`files`, then `others`, in one thread."""

    def __init__(
        self,
        trees: ChunkSource,
        plan: BlockPlan,
        pool: Pool,
        workers: int,
        folders: FolderMaker,
        journal: Journal,
        tally: Tally,
        tick: Callable[[], None],
    ) -> None:
        """`trees`: where long chunk lists are read from."""
        self._trees = trees
        self._plan = plan
        self._folders = folders
        self._journal = journal
        self._tally = tally
        self._groups: dict[int, _Group] = {}
        self._identities: dict[tuple[bytes, bytes], int] = {}
        self.dispatcher = Dispatcher(pool, workers, tick)
        self._large = LargeFiles(self.dispatcher, plan)
        self._not_linked: list[Item] = []
        self._window: list[Item] = []
        self._window_bytes = 0

    def files(self, records: Iterable[FileRecord]) -> None:
        """Make the folders and restore the files. Raises what a worker failed with, what the node and the core raise,
        and what `tick` raises."""
        for record in records:
            if isinstance(record, Put):
                level = self._folders.level
                if level.blocked:
                    self._tally.lose(level.source + b"/" + record.entry.name, level.blocked)
                    self._tally.done += 1
                    continue
                source = b"" if level.source[1:] == level.target else level.source + b"/" + record.entry.name
                self._add_file(Item(level.target, record.entry, source, level.fresh), record.identity)
            elif isinstance(record, Enter):
                self._folders.enter(record)
            elif isinstance(record, Leave):
                self._folders.leave()
        self._flush()
        self.dispatcher.drain()

    def others(self, records: Iterable[LatePut]) -> None:
        """Restore links and nodes, then the further names of what has hard links. Raises as `files`."""
        for record in records:
            if record.is_link:
                self._groups.setdefault(record.identity, _Group()).waiting.append(record)
            else:
                self._add(_item(record), record.identity)
        self._flush()
        self.dispatcher.drain()
        while any(group.waiting for group in self._groups.values()):
            self._link_names()
            self._restore_first_names()

    def _link_names(self) -> None:
        """The further names of all that is in place."""
        ready: list[tuple[Item, Anchor]] = []
        for group in self._groups.values():
            if group.anchor is not None:
                ready += [(_item(record), group.anchor) for record in group.waiting]
                group.waiting.clear()
        for at in range(0, len(ready), BATCH_FILES):
            items, anchors = zip(*ready[at : at + BATCH_FILES], strict=True)
            work = wire.Links(self.dispatcher.next_number(), items, anchors)
            self.dispatcher.submit(work, partial(self._linked, items))
        self.dispatcher.drain()

    def _restore_first_names(self) -> None:
        """Of what isn't in place under any name yet: one name with its content. And what could not be linked."""
        for identity, group in self._groups.items():
            if not group.waiting:
                continue
            if group.lost:
                for record in group.waiting:
                    self._tally.lose(record.path, group.lost)
                group.waiting.clear()
            else:
                self._add_file(_item(group.waiting.pop(0)), identity)
        for item in self._not_linked:
            self._add_file(item, 0)
        self._not_linked.clear()
        self._flush()
        self.dispatcher.drain()

    def open_folders(self) -> set[bytes]:
        """Folders in which temporary files may lie, after the workers were stopped."""
        items = [] if self._large.current is None else [self._large.current]
        for work in self.dispatcher.unfinished():
            items += [work.item] if isinstance(work, wire.Large) else work.items
        return {item.folder for item in items}

    def _add_file(self, item: Item, identity: int) -> None:
        if not is_large(item.entry):
            self._add(item, identity)
            return
        entry = item.entry
        known = self._journal.known([item.path]).get(item.path)
        light = msgspec.structs.replace(item, entry=msgspec.structs.replace(entry, chunks=()), known=known)
        outcome = self._large.restore(light, lambda: entry_chunks(self._trees, entry))
        if identity:
            self._identities[item.folder, entry.name] = identity
        self._put([light], (outcome,))

    def _add(self, item: Item, identity: int) -> None:
        if identity:
            self._identities[item.folder, item.entry.name] = identity
        self._window.append(item)
        self._window_bytes += item.entry.data_bytes
        if len(self._window) >= WINDOW_FILES or self._window_bytes >= WINDOW_BYTES:
            self._flush()

    def _flush(self) -> None:
        items, self._window, self._window_bytes = self._window, [], 0
        if self._journal.is_resumed:
            known = self._journal.known([item.path for item in items])
            items = [msgspec.structs.replace(item, known=known.get(item.path)) for item in items]
        for batch in self._plan.batches(items, self.dispatcher.next_number):
            self.dispatcher.submit(batch, partial(self._put, batch.items))

    def _put(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        for item, outcome in zip(items, outcomes, strict=True):
            self._tally.add(item, outcome)
            if self._identities:
                self._anchor(item, outcome)
        self._remember(items, outcomes)

    def _linked(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        for item, outcome in zip(items, outcomes, strict=True):
            if outcome.reason.startswith(NO_LINK):
                self._tally.leave_out(item.path, [outcome.reason])
                self._not_linked.append(item)
            else:
                self._tally.add(item, outcome, is_link=True)
        self._remember(items, outcomes)

    def _remember(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        self._journal.complete(
            (item.path, outcome.inode, outcome.ctime_ns)
            for item, outcome in zip(items, outcomes, strict=True)
            if outcome.is_there
        )

    def _anchor(self, item: Item, outcome: Outcome) -> None:
        identity = self._identities.pop((item.folder, item.entry.name), 0)
        if not identity:
            return
        group = self._groups.setdefault(identity, _Group())
        if outcome.is_there:
            group.anchor = Anchor(item.folder, outcome.name, outcome.inode)
        elif outcome.reason == DAMAGED:
            group.lost = outcome.reason


def _item(record: LatePut) -> Item:
    return Item(record.folder, record.entry, record.source)
