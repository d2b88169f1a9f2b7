"""Fills the destination (WF6.6): folders and files as the plan lists them, then links and nodes, then further links."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from phoenix_core.agent.restore import workermessages as wire
from phoenix_core.agent.restore.blockplan import BATCH_FILES, BlockPlan
from phoenix_core.agent.restore.completed import completed
from phoenix_core.agent.restore.damage import DAMAGED
from phoenix_core.agent.restore.dispatch import Dispatcher, Pool
from phoenix_core.agent.restore.foldermaker import FolderMaker, Level
from phoenix_core.agent.restore.journal import Journal
from phoenix_core.agent.restore.largefile import LargeFiles
from phoenix_core.agent.restore.largeparts import is_large
from phoenix_core.agent.restore.records import (
    Anchor,
    Enter,
    FileRecord,
    Folder,
    Item,
    LatePut,
    Leave,
    Outcome,
    Put,
    Wanted,
    joined_chunks,
)
from phoenix_core.agent.restore.tally import Tally
from phoenix_core.agent.restore.write import NO_LINK
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.filelists import entry_chunks

WINDOW_FILES = 32768
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
        *,
        is_far: bool = False,
    ) -> None:
        """`trees`: where long chunk lists are read from. `is_far`: a network lies between here and storage."""
        self._trees = trees
        self._plan = plan
        self._folders = folders
        self._journal = journal
        self._tally = tally
        self._groups: dict[int, _Group] = {}
        self.dispatcher = Dispatcher(pool, workers, tick, is_far=is_far)
        self._large = LargeFiles(self.dispatcher, plan)
        self._not_linked: list[LatePut] = []
        self._window: list[Wanted] = []
        self._window_bytes = 0

    def files(self, records: Iterable[FileRecord]) -> None:
        """Make the folders and restore the files. Raises what a worker failed with, what the node and the core raise,
        and what `tick` raises."""
        for record in records:
            if isinstance(record, Put):
                level = self._folders.level
                if level.blocked:
                    self._lose(level, record.name)
                else:
                    self._add(
                        Wanted(
                            level.folder,
                            record.name,
                            record.entry,
                            record.identity,
                            record.data_bytes,
                            record.chunks,
                            record.wins,
                        )
                    )
            elif isinstance(record, Enter):
                self._folders.enter(record)
            elif isinstance(record, Leave):
                self._folders.leave()
            elif self._folders.level.blocked:
                self._lose(self._folders.level, record.entry.name)
            else:
                self._restore_large(self._folders.level.folder.item(record.entry), record.identity, record.wins)
        self._flush()
        self.dispatcher.drain()

    def others(self, records: Iterable[LatePut]) -> None:
        """Restore links and nodes, then the further names of what has hard links. Raises as `files`."""
        for record in records:
            if record.is_link:
                self._groups.setdefault(record.identity, _Group()).waiting.append(record)
            else:
                self._add_late(record, record.identity)
        self._flush()
        self.dispatcher.drain()
        while any(group.waiting for group in self._groups.values()):
            self._link_names()
            self._restore_first_names()

    def _link_names(self) -> None:
        """The further names of all that is in place."""
        ready: list[tuple[LatePut, Anchor]] = []
        for group in self._groups.values():
            if group.anchor is not None:
                ready += [(record, group.anchor) for record in group.waiting]
                group.waiting.clear()
        for at in range(0, len(ready), BATCH_FILES):
            records, anchors = zip(*ready[at : at + BATCH_FILES], strict=True)
            begun = self._journal.begun([record.path for record in records])
            self._journal.intend([record.path for record in records if record.wins])
            items = tuple([_item(record, record.path in begun) for record in records])
            work = wire.Links(self.dispatcher.next_number(), items, anchors)
            self.dispatcher.submit(work, partial(self._linked, records))
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
                self._add_late(group.waiting.pop(0), identity)
        for record in self._not_linked:
            self._add_late(record, 0)
        self._not_linked.clear()
        self._flush()
        self.dispatcher.drain()

    def open_folders(self) -> set[bytes]:
        """Folders in which temporary files may lie, after the workers were stopped."""
        found = set() if self._large.current is None else {self._large.current.folder}
        for work in self.dispatcher.unfinished():
            if isinstance(work, wire.Batch):
                found.update([folder.path for folder in work.folders])
            else:
                found.update([item.folder for item in ([work.item] if isinstance(work, wire.Large) else work.items)])
        return found

    def unfinished_files(self) -> Iterator[Item]:
        """Those that workers had in hand and make under their own names."""
        for work in self.dispatcher.unfinished():
            if isinstance(work, wire.Batch) and work.in_place:
                yield from work.items

    def _lose(self, level: Level, name: bytes) -> None:
        self._tally.lose(level.source + b"/" + name, level.blocked)
        self._tally.done += 1

    def _add_late(self, record: LatePut, identity: int) -> None:
        if is_large(record.entry):
            self._restore_large(_item(record), identity, record.wins)
            return
        entry = record.entry
        folder = Folder(record.folder, record.path.rpartition(b"/")[0], fresh=False)
        self._add(Wanted(folder, entry.name, entry, identity, entry.data_bytes, joined_chunks(entry), record.wins))

    def _restore_large(self, item: Item, identity: int, wins: bool) -> None:
        entry, path = item.entry, item.path
        known, begun = self._journal.known([path]).get(path), path in self._journal.begun([path])
        self._journal.intend([path] if wins else [])
        plain = msgspec.structs.replace(entry, chunks=())
        light = msgspec.structs.replace(item, entry=plain, known=known, begun=begun)
        outcome = self._large.restore(light, lambda: entry_chunks(self._trees, entry))
        self._take(light, outcome, identity)
        if outcome.is_there:
            self._journal.complete(completed(light.path, outcome.inode, outcome.ctime_ns))

    def _add(self, wanted: Wanted) -> None:
        self._window.append(wanted)
        self._window_bytes += wanted.data_bytes
        if len(self._window) >= WINDOW_FILES or self._window_bytes >= WINDOW_BYTES:
            self._flush()

    def _flush(self) -> None:
        window, self._window, self._window_bytes = self._window, [], 0
        if self._journal.is_resumed:
            paths = [each.path for each in window]
            known, begun = self._journal.known(paths), self._journal.begun(paths)
            window = [
                msgspec.structs.replace(each, known=known.get(path), begun=path in begun)
                for each, path in zip(window, paths, strict=True)
            ]
        self._journal.intend([each.path for each in window if each.wins])
        for batch, some in self._plan.batches(window, self.dispatcher.next_number):
            in_place = self._journal.hand_out([each.path for each in some if each.folder.fresh])
            self.dispatcher.submit(msgspec.structs.replace(batch, in_place=in_place), partial(self._put, some))

    def _put(self, wanted: Sequence[Wanted], done: wire.Done) -> None:
        self._tally.add_written(done.files, done.others, done.file_bytes)
        for number, outcome in done.outcomes:
            self._take(wanted[number].item, outcome, wanted[number].identity)
        self._journal.complete(done.completed)

    def _take(self, item: Item, outcome: Outcome, identity: int) -> None:
        self._tally.add(item, outcome)
        if not identity:
            return
        group = self._groups.setdefault(identity, _Group())
        if outcome.is_there:
            group.anchor = Anchor(item.folder, outcome.name, outcome.inode)
        elif outcome.reason == DAMAGED:
            group.lost = outcome.reason

    def _linked(self, records: Sequence[LatePut], done: wire.Done) -> None:
        complete: list[bytes] = []
        for number, outcome in done.outcomes:
            record = records[number]
            if outcome.reason.startswith(NO_LINK):
                self._tally.leave_out(record.path, [outcome.reason])
                self._not_linked.append(record)
            else:
                self._tally.add(_item(record), outcome, is_link=True)
            if outcome.is_there:
                complete.append(completed(record.path, outcome.inode, outcome.ctime_ns))
        self._journal.complete(b"".join(complete))


def _item(record: LatePut, begun: bool = False) -> Item:
    return Item(record.folder, record.entry, record.source, begun=begun)
