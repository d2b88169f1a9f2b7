"""The file set of a restore to Windows (WF6.5): walks the selected paths in the snapshot, and the destination
alongside.

Writes nothing. What it leaves are records in the order of the trees, counts, and the space that each drive needs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from phoenix_core.agent.backup.spool import Spool
from phoenix_core.agent.restore.conflict import restored_name
from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.agent.restore.errors import FILE_IN_THE_WAY, LINK_IN_THE_WAY
from phoenix_core.agent.restore.planned import PlanCounts
from phoenix_core.agent.restore.records import join
from phoenix_core.agent.restore.selection import uncovered
from phoenix_core.agent.windows.attributes import is_folder, is_link
from phoenix_core.agent.windows.errors import ABSENT, reason_of
from phoenix_core.agent.windows.names import fault_of_name, fault_of_stream, folded, to_text
from phoenix_core.agent.windows.paths import below
from phoenix_core.agent.windows.restore.destination import SpaceNeeds
from phoenix_core.agent.windows.restore.records import Enter, FileRecord, FolderRecord, Late, Leave, Put
from phoenix_core.agent.windows.seam import FileFacts, Windows, WindowsFailure
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.errors import PathNotInSnapshot
from phoenix_core.vault.tree import read_tree
from phoenix_core.vault.treewalk import MAX_DEPTH, descend
from phoenix_core.vault.windowsentry import COLON, is_stream, is_windows, streams_of

INVALID_NAME = "invalid_name"
CASE_CLASH = "case_clash"
TOO_DEEP = "too_deep"
NOT_WINDOWS = "not_of_windows"
_AHEAD = 512
_TICK_ENTRIES = 256


@dataclass(slots=True)
class _Level:
    source: bytes
    target: bytes
    native: str
    exists: bool
    entries: Iterator[Entry] = field(default_factory=lambda: iter(()))
    names: set[str] = field(default_factory=set)
    """Folded, of what will stand in it: on Windows two names that differ in case only are one."""


@dataclass
class PlanRecords:
    files: Spool[FileRecord]
    folders: Spool[FolderRecord]
    late: Spool[Late]


class WindowsPlanner:
    """`run` it once."""

    def __init__(
        self,
        windows: Windows,
        source: ChunkSource,
        hint: Callable[[Sequence[ChunkId]], None],
        records: PlanRecords,
        needs: SpaceNeeds,
        rule: ConflictRule,
        stamp: str,
        *,
        root: str,
        exists: bool,
        lose: Callable[[bytes, str], None],
        tick: Callable[[bytes], None],
    ) -> None:
        """`root`: the destination's path in extended form; empty: the original place. `lose` is told what can't be
        restored. `tick` is called often; what it raises ends the plan."""
        self.counts = PlanCounts()
        self._windows = windows
        self._source = source
        self._hint = hint
        self._records = records
        self._needs = needs
        self._rule = rule
        self._stamp = stamp
        self._original = not root
        self._lose = lose
        self._tick = tick
        self._letter = root[4:5]
        self._levels = [_Level(b"", b"", root, exists)]
        self._linked: dict[tuple[int, int], int] = {}
        self._seen = 0

    def run(self, root: bytes, paths: Sequence[bytes]) -> None:
        """Raises `PathNotInSnapshot`, what `tick` and the source raise."""
        for way in uncovered(paths):
            self._select(root, way)
        self._back_to(1)

    def _select(self, root: bytes, way: tuple[bytes, ...]) -> None:
        if not way:
            self._levels[0].entries = self._read(root)
            self._walk(1)
            return
        path = b"/" + b"/".join(way)
        try:
            chain = descend(self._source, root, path)
        except PathNotInSnapshot:
            raise
        except PhoenixError as error:
            self._lose_damaged(path, error)
            return
        above, chain = chain[-2][1], chain[1:]
        shared = 0
        while shared < min(len(way), len(self._levels)) - 1 and self._levels[shared + 1].source == chain[shared][0]:
            shared += 1
        self._back_to(1 + shared)
        if not all(self._enter(entry, on_the_way=True) for _, entry in chain[shared:-1]):
            return
        wanted = chain[-1][1]
        depth = len(self._levels)
        self._visit(wanted)
        if len(self._levels) > depth:
            self._walk(depth + 1)
            self._leave()
        for stream in streams_of(wanted.name, read_tree(self._source, above.tree)):
            self._visit(stream)

    def _walk(self, depth: int) -> None:
        """Everything below the level that is the last one now, whose number is `depth`."""
        while True:
            level = self._levels[-1]
            try:
                entry = next(level.entries, None)
            except PhoenixError as error:
                self._lose_damaged(level.source or b"/", error)
                entry = None
            if entry is not None:
                self._visit(entry)
            elif len(self._levels) == depth:
                return
            else:
                self._leave()

    def _visit(self, entry: Entry) -> None:
        self._seen += 1
        level = self._levels[-1]
        path = level.source + b"/" + entry.name
        if self._seen % _TICK_ENTRIES == 0:
            self._tick(path)
        if entry.is_directory:
            if self._enter(entry, on_the_way=entry.partial):
                self._levels[-1].entries = self._read(entry.tree)
        elif is_stream(entry):
            self._add_stream(level, path, entry)
        elif self._is_sound(level, path, entry):
            self._add(level, path, entry)

    def _is_sound(self, level: _Level, path: bytes, entry: Entry) -> bool:
        """Whether the entry can have its name here; what can't is told."""
        reason = ""
        if not is_windows(entry):
            reason = NOT_WINDOWS
        try:
            name = to_text(entry.name)
        except ValueError:
            name, reason = "", INVALID_NAME
        if not reason and (fault_of_name(name) or (self._at_drives and not _is_drive(entry))):
            reason = INVALID_NAME
        if not reason and folded(name) in level.names:
            reason = CASE_CLASH
        if reason:
            self._lose(path, reason)
            return False
        level.names.add(folded(name))
        return True

    def _add_stream(self, level: _Level, path: bytes, entry: Entry) -> None:
        try:
            owner, _, stream = map(to_text, entry.name.partition(COLON))
        except ValueError:
            owner = stream = ""
        if fault_of_name(owner) or fault_of_stream(stream):
            self._lose(path, INVALID_NAME)
            return
        self._count(entry)
        self._needs.add(self._letter, entry)
        self._records.late.append(Late(level.target, path, entry))

    def _add(self, level: _Level, path: bytes, entry: Entry) -> None:
        existing = self._existing(level, entry)
        freed = existing.allocated_bytes if existing is not None and self._rule is ConflictRule.OVERWRITE else 0
        if not entry.is_file:
            self.counts.others += 1
            self._needs.add(self._letter, entry)
            self._records.late.append(Late(level.target, path, entry))
            return
        identity = 0
        if entry.links > 1:
            key = (entry.device, entry.inode)
            known = key in self._linked
            identity = self._linked.setdefault(key, len(self._linked) + 1)
            if known:
                self.counts.files += 1
                self._records.late.append(Late(level.target, path, entry, identity))
                return
        self._count(entry)
        is_same = existing is not None and (existing.size, existing.modified_ns) == (entry.size, entry.mtime_ns)
        if not is_same and not (existing is not None and self._rule is ConflictRule.SKIP):
            self._needs.add(self._letter, entry, freed)
        self._records.files.append(Put(entry, identity))

    def _count(self, entry: Entry) -> None:
        self.counts.files += 1
        self.counts.bytes += entry.size
        self.counts.data_bytes += entry.data_bytes

    def _enter(self, entry: Entry, *, on_the_way: bool) -> bool:
        level = self._levels[-1]
        source = level.source + b"/" + entry.name
        if len(self._levels) >= MAX_DEPTH:
            self._lose(source, TOO_DEEP)
            return False
        if not self._is_sound(level, source, entry):
            return False
        if self._at_drives:
            self._letter = entry.name.decode()
            return self._go_down(level, source, entry, entry.name, exists=True, apply=False, native=self._drive())
        existing = self._existing(level, entry)
        name, exists = entry.name, existing is not None
        if existing is not None and not _is_plain_folder(existing):
            if on_the_way and self._original:
                self._lose(source, LINK_IN_THE_WAY if is_link(existing) else FILE_IN_THE_WAY)
                return False
            if self._rule is ConflictRule.KEEP_BOTH:
                name, exists = restored_name(entry.name, self._stamp), False
            else:
                self.counts.skipped += self._rule is not ConflictRule.OVERWRITE
                if self._rule is ConflictRule.OVERWRITE:
                    self._lose(source, LINK_IN_THE_WAY if is_link(existing) else FILE_IN_THE_WAY)
                return False
        apply = not exists or (not on_the_way and self._wins(entry, existing))
        return self._go_down(level, source, entry, name, exists=exists, apply=apply)

    @property
    def _at_drives(self) -> bool:
        """Whether it is a drive that is looked at, and goes back to its own place."""
        return self._original and len(self._levels) == 1

    def _drive(self) -> str:
        return f"\\\\?\\{self._letter}:\\"

    def _wins(self, entry: Entry, existing: FileFacts | None) -> bool:
        """Whether a folder that is there gets the entry's metadata."""
        if existing is None or self._rule is ConflictRule.OVERWRITE:
            return True
        return self._rule is ConflictRule.IF_OLDER and existing.modified_ns < entry.mtime_ns

    def _go_down(
        self, level: _Level, source: bytes, entry: Entry, name: bytes, *, exists: bool, apply: bool, native: str = ""
    ) -> bool:
        if not exists:
            self._needs.add(self._letter, entry)
        record = Enter(name, msgspec.structs.replace(entry, tree=b""), exists, apply)
        self._records.files.append(record)
        self._records.folders.append(record)
        self.counts.folders += apply
        at = native or below(level.native, to_text(name))
        self._levels.append(_Level(source, join(level.target, name), at, exists))
        return True

    def _existing(self, level: _Level, entry: Entry) -> FileFacts | None:
        if not level.exists:
            return None
        try:
            return self._windows.details(below(level.native, to_text(entry.name))).facts
        except WindowsFailure as failure:
            if failure.code not in ABSENT:
                reason_of(failure)  # whoever writes there meets it again and tells it
            return None

    def _leave(self) -> None:
        self._levels.pop()
        self._records.files.append(Leave())
        self._records.folders.append(Leave())

    def _back_to(self, depth: int) -> None:
        while len(self._levels) > depth:
            self._leave()

    def _read(self, tree: bytes) -> Iterator[Entry]:
        """A folder's entries; what reads them is told which trees come next."""
        entries = read_tree(self._source, tree)
        while some := list(islice(entries, _AHEAD)):
            self._hint([ChunkId(entry.tree) for entry in some if entry.is_directory])
            yield from some

    def _lose_damaged(self, path: bytes, error: PhoenixError) -> None:
        reason = damage_reason(error)
        if not reason:
            raise error
        self._lose(path, reason)


def _is_plain_folder(facts: FileFacts) -> bool:
    return is_folder(facts) and not is_link(facts)


def _is_drive(entry: Entry) -> bool:
    """Beside drives `/` holds nothing."""
    return entry.is_directory and len(entry.name) == 1 and entry.name.isalpha()
