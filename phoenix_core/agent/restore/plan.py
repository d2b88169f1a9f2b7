"""The file set (WF6.5): walks the selected paths in the snapshot, and the destination alongside, once.

Writes nothing. What it leaves are records in the order of the trees, counts, and the space that each file system needs.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from phoenix_core.agent.restore.conflict import Action, decide, is_folder, may_empty_folders, restored_name
from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.agent.restore.destination import SpaceNeeds
from phoenix_core.agent.restore.errors import (
    FILE_IN_THE_WAY,
    LINK_IN_THE_WAY,
    OWN_FOLDER,
    raise_if_general,
    reason_of,
)
from phoenix_core.agent.restore.folders import Descent
from phoenix_core.agent.restore.largeparts import is_large
from phoenix_core.agent.restore.ownfolders import kind_of
from phoenix_core.agent.restore.planned import PlanCounts, Records
from phoenix_core.agent.restore.records import (
    Enter,
    LatePut,
    Leave,
    Put,
    PutLarge,
    join,
    joined_chunks,
)
from phoenix_core.agent.restore.remove import count_below
from phoenix_core.agent.restore.selection import uncovered
from phoenix_core.agent.restore.slots import is_type, link_target, status_of
from phoenix_core.agent.restore.tally import Displaced
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.names import shown
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.errors import HostileTree, PathNotInSnapshot
from phoenix_core.vault.tree import read_tree
from phoenix_core.vault.treewalk import MAX_DEPTH, descend

TOO_DEEP = "too_deep"
MAX_PATH_BYTES = 2**20
"""Longer paths than this are refused: no file system that people use has them, and each file's record holds its own."""
_AHEAD = 512
_TICK_ENTRIES = 512


@dataclass(slots=True)
class _Level:
    source: bytes
    """Path in the snapshot, without a slash at the end."""
    target: bytes
    exists: bool
    entries: Iterator[Entry] = field(default_factory=lambda: iter(()))


@dataclass(frozen=True, slots=True)
class _Linked:
    identity: int
    type: EntryType
    size: int
    mtime_ns: int


class Planner:
    """`run` it once."""

    def __init__(
        self,
        source: ChunkSource,
        hint: Callable[[Sequence[ChunkId]], None],
        records: Records,
        needs: SpaceNeeds,
        rule: ConflictRule,
        stamp: str,
        place: bytes,
        *,
        original: bool,
        will_make: Callable[[bytes], None],
        lose: Callable[[bytes, str], None],
        tick: Callable[[bytes], None],
    ) -> None:
        """`source` gives trees; `hint` is told which will be wanted. `place`: the destination's path. `original`:
        folders on the way to what is restored are the host's own and never replaced. `will_make` is told the folders
        that aren't there yet, by their paths below the destination. `lose` is told what can't be restored. `tick` is
        called often, with the current path; what it raises ends the plan."""
        self.counts = PlanCounts()
        self.displaced = Displaced(place)
        self._source = source
        self._hint = hint
        self._records = records
        self._needs = needs
        self._rule = rule
        self._stamp = stamp
        self._original = original
        self._will_make = will_make
        self._lose = lose
        self._tick = tick
        self._linked: dict[tuple[int, int], _Linked] = {}
        self._levels: list[_Level] = []
        self._seen = 0
        self._descent: Descent | None = None

    def run(self, root: bytes, paths: Sequence[bytes], folder: int, *, exists: bool) -> None:
        """`folder` is the open destination, or what exists above it. Raises `PathNotInSnapshot`, what `tick` and the
        source raise, and `DestinationMoved`."""
        self._descent = Descent(folder)
        try:
            self._needs.at(self._descent.device, folder)
            self._levels = [_Level(b"", b"", exists)]
            for way in uncovered(paths):
                self._select(root, way)
            self._back_to(1)
        finally:
            self._descent.close()

    @property
    def _at(self) -> Descent:
        assert self._descent is not None
        return self._descent

    def _select(self, root: bytes, way: tuple[bytes, ...]) -> None:
        if not way:
            self._levels[0].entries = self._read(root)
            self._walk(1)
            return
        path = b"/" + b"/".join(way)
        try:
            chain = descend(self._source, root, path)[1:]
        except PathNotInSnapshot:
            raise
        except PhoenixError as error:
            self._lose_damaged(path, error)
            return
        shared = 0
        while shared < min(len(way), len(self._levels)) - 1 and self._levels[shared + 1].source == chain[shared][0]:
            shared += 1
        self._back_to(1 + shared)
        if not all(self._enter(entry, on_the_way=True) for _, entry in chain[shared:-1]):
            return
        depth = len(self._levels)
        self._visit(chain[-1][1])
        if len(self._levels) > depth:
            self._walk(depth + 1)
            self._leave()

    def _walk(self, depth: int) -> None:
        """Everything below the level that is the last one now, whose number is `depth`."""
        while True:
            level = self._levels[-1]
            try:
                entry = next(level.entries, None) if level.exists else self._add_free(level)
            except PhoenixError as error:
                self._lose_damaged(level.source or b"/", error)
                entry = None
            if entry is not None:
                self._visit(entry)
            elif len(self._levels) == depth:
                return
            else:
                self._leave()

    def _add_free(self, level: _Level) -> Entry | None:
        """Add the files up to the next entry that is something else, which is returned: in a folder that isn't there
        nothing can be in their way."""
        counts, at = self.counts, self._at.device
        for entry in level.entries:
            if entry.type is not EntryType.FILE or entry.links > 1 or is_large(entry):
                return entry
            self._seen += 1
            if self._seen % _TICK_ENTRIES == 0:
                self._tick(level.source)
            size = entry.size if entry.extents is None else entry.data_bytes
            counts.files += 1
            counts.bytes += entry.size
            counts.data_bytes += size
            put = Put(entry.name, entry, 0, size, joined_chunks(entry))
            self._records.files.append(put)  # type: ignore[arg-type]  # the entry comes back undecoded
            self._needs.add(at, entry)
        return None

    def _visit(self, entry: Entry) -> None:
        self._seen += 1
        if self._seen % _TICK_ENTRIES == 0:
            self._tick(self._levels[-1].source)
        if entry.is_directory:
            if self._enter(entry, on_the_way=entry.partial):
                self._levels[-1].entries = self._read(entry.tree)
            return
        level = self._levels[-1]
        existing = self._existing(level, entry.name)
        if existing is not None and is_folder(existing) and not self._may_take_place(level, entry, existing):
            return
        if entry.links > 1:
            self._add_linked(level, entry, existing)
        else:
            self._add(level, entry, existing, 0)

    def _may_take_place(self, level: _Level, entry: Entry, existing: os.stat_result) -> bool:
        """Of a folder there: false if it can't give way. What goes with it is counted."""
        if not may_empty_folders(self._rule) or decide(self._rule, entry, existing) is not Action.WRITE:
            return True
        count = count_below(self._at.fd, entry.name, lambda: self._tick(level.source))
        if count < 0:
            self._lose(level.source + b"/" + entry.name, OWN_FOLDER)
        elif count:
            self.displaced.add_folder(join(level.target, entry.name), count)
        return count >= 0

    def _enter(self, entry: Entry, *, on_the_way: bool) -> bool:
        level = self._levels[-1]
        source = level.source + b"/" + entry.name
        existing = self._existing(level, entry.name)
        name, exists, older = entry.name, False, False
        if existing is not None and is_folder(existing):
            exists, older = True, existing.st_mtime_ns < entry.mtime_ns
        elif existing is not None:
            if on_the_way and self._original:
                link = link_target(self._at.fd, entry.name)
                self._lose(source, FILE_IN_THE_WAY if link is None else f"{LINK_IN_THE_WAY}: {shown(link)}")
                return False
            action = decide(self._rule, entry, existing)
            if action is Action.SKIP:
                self.counts.skipped += 1
                return False
            if action is Action.RENAME:
                name = restored_name(entry.name, self._stamp)
                exists = self._existing(level, name) is not None
            link = link_target(self._at.fd, entry.name) if action is Action.WRITE else None
            if link is not None:
                self.displaced.add_link(join(level.target, entry.name), link)
        if len(self._levels) >= MAX_DEPTH or len(source) > MAX_PATH_BYTES:
            self._lose(source, TOO_DEEP)
            return False
        if exists and not self._go_down(name, source, entry):
            return False
        target = join(level.target, name)
        if not exists:
            self._needs.add(self._at.device, entry)
            self._will_make(target)
        record = Enter(name, msgspec.structs.replace(entry, tree=b""), on_the_way, older)
        self._records.files.append(record)
        self._records.folders.append(record)
        self.counts.folders += not on_the_way
        self._levels.append(_Level(source, target, exists))
        return True

    def _go_down(self, name: bytes, source: bytes, entry: Entry) -> bool:
        try:
            self._at.enter(name)
        except OSError as error:
            raise_if_general(error, shown(source))
            self._lose(source, reason_of(error))
            return False
        if kind_of(self._at.fd):
            self._at.leave()
            self._stay_out(source, entry)
            return False
        self._needs.at(self._at.device, self._at.fd)
        return True

    def _stay_out(self, source: bytes, entry: Entry) -> None:
        """A folder that Phoenix keeps its data in stays as it is; what the snapshot would put into it is missing."""
        try:
            holds = next(read_tree(self._source, entry.tree), None) is not None
        except PhoenixError as error:
            self._lose_damaged(source, error)
        else:
            if holds:
                self._lose(source, OWN_FOLDER)

    def _leave(self) -> None:
        level = self._levels.pop()
        if level.exists:
            self._at.leave()
        self._records.files.append(Leave())
        self._records.folders.append(Leave())

    def _back_to(self, depth: int) -> None:
        while len(self._levels) > depth:
            self._leave()

    def _add_linked(self, level: _Level, entry: Entry, existing: os.stat_result | None) -> None:
        """An entry with hard links: the first is restored, the others are linked to it."""
        key = (entry.device, entry.inode)
        first = self._linked.get(key)
        if first is None:
            first = _Linked(len(self._linked) + 1, entry.type, entry.size, entry.mtime_ns)
            self._linked[key] = first
            self._add(level, entry, existing, first.identity)
        elif (first.type, first.size, first.mtime_ns) != (entry.type, entry.size, entry.mtime_ns):
            self._add(level, entry, existing, 0)
        else:
            self.counts.files += entry.is_file
            self.counts.others += not entry.is_file
            wins = self._wins(entry, existing)
            late = LatePut(level.target, entry, _source(level, entry), first.identity, is_link=True, wins=wins)
            self._records.late.append(late)

    def _add(self, level: _Level, entry: Entry, existing: os.stat_result | None, identity: int) -> None:
        wins = self._wins(entry, existing)
        if entry.is_file:
            self.counts.files += 1
            self.counts.bytes += entry.size
            self.counts.data_bytes += entry.data_bytes
            if is_large(entry):
                self._records.files.append(PutLarge(entry, identity, wins))
            else:
                put = Put(entry.name, entry, identity, entry.data_bytes, joined_chunks(entry), wins)
                self._records.files.append(put)  # type: ignore[arg-type]  # the entry comes back undecoded
        else:
            self.counts.others += 1
            self._records.late.append(LatePut(level.target, entry, _source(level, entry), identity, wins=wins))
        self._add_need(entry, existing)

    def _wins(self, entry: Entry, existing: os.stat_result | None) -> bool:
        return decide(self._rule, entry, existing) is Action.WRITE

    def _add_need(self, entry: Entry, existing: os.stat_result | None) -> None:
        device = self._at.device
        if existing is None:
            self._needs.add(device, entry)
            return
        same_file = is_type(existing, EntryType.FILE) and entry.is_file and existing.st_size == entry.size
        if same_file and existing.st_mtime_ns == entry.mtime_ns:
            return
        action = decide(self._rule, entry, existing)
        if action is Action.RENAME:
            self._needs.add(device, entry)
        elif action is Action.WRITE:
            freed = existing.st_blocks * 512 if existing.st_nlink == 1 and is_type(existing, EntryType.FILE) else 0
            self._needs.add(device, entry, freed, new_name=False)

    def _existing(self, level: _Level, name: bytes) -> os.stat_result | None:
        if not level.exists:
            return None
        try:
            return status_of(self._at.fd, name)
        except OSError as error:
            raise_if_general(error, shown(level.source))
            return None  # whoever writes there meets the error again and tells it

    def _read(self, tree: bytes) -> Iterator[Entry]:
        """A folder's entries; what reads them is told which trees come next."""
        entries = read_tree(self._source, tree)
        some: list[Entry] = []
        while True:
            some.clear()
            try:
                some.extend(islice(entries, _AHEAD))
            except HostileTree:
                raise
            except PhoenixError:
                yield from some
                raise
            if not some:
                return
            self._hint([ChunkId(entry.tree) for entry in some if entry.is_directory])
            yield from some

    def _lose_damaged(self, path: bytes, error: PhoenixError) -> None:
        reason = damage_reason(error)
        if not reason:
            raise error
        self._lose(path, reason)


def _source(level: _Level, entry: Entry) -> bytes:
    """The entry's path in the snapshot, if it isn't the same at the destination."""
    return b"" if level.source[1:] == level.target else level.source + b"/" + entry.name
