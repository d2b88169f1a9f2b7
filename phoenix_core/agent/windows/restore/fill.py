"""Fills the destination on Windows (WF6.6): folders and files as the plan lists them, then links, further names,
streams.

Files are fetched in batches, so that a line with long round trips is asked seldom; each is complete before the next.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from phoenix_core.agent.restore.blockplan import BlockPlan
from phoenix_core.agent.restore.blocksource import BlockSource
from phoenix_core.agent.restore.damage import DAMAGED, damage_reason
from phoenix_core.agent.restore.errors import LINK_IN_THE_WAY, DestinationMoved
from phoenix_core.agent.restore.largeparts import is_large, parts_of
from phoenix_core.agent.restore.records import COMPLETE, MISSING, SKIPPED, Folder, Outcome, Wanted, join, joined_chunks
from phoenix_core.agent.restore.records import missing as missing_outcome
from phoenix_core.agent.restore.tally import Tally
from phoenix_core.agent.windows.descriptor import private
from phoenix_core.agent.windows.errors import TAKEN, reason_of
from phoenix_core.agent.windows.names import to_text
from phoenix_core.agent.windows.paths import below
from phoenix_core.agent.windows.restore.heldfolders import HeldFolders
from phoenix_core.agent.windows.restore.records import Enter, FileRecord, FolderRecord, Late, Put
from phoenix_core.agent.windows.restore.writer import WindowsWriter
from phoenix_core.agent.windows.seam import Windows, WindowsFailure
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import ChunkRef, Entry
from phoenix_core.vault.filelists import entry_chunks
from phoenix_core.vault.windowsentry import is_stream, owner_name

WINDOW_FILES = 1024
WINDOW_BYTES = 64 * 2**20
FOLDER_NOT_RESTORED = "folder_not_restored"
OWNER_NOT_RESTORED = "owner_not_restored"


@dataclass(slots=True)
class _Level:
    folder: Folder
    blocked: str = ""


class _Parts:
    """A large file's chunks, each part of which is located when it comes to it."""

    def __init__(self, source: BlockSource, plan: BlockPlan) -> None:
        self._source = source
        self._plan = plan

    def refs(self, entry: Entry, chunks: Iterable[ChunkRef]) -> Iterable[ChunkRef]:
        for part in parts_of(entry, chunks):
            self._source.use(*self._plan.for_chunks(part.refs))
            yield from part.refs


class WindowsFiller:
    """`files`, `late`, `folders`, in one thread."""

    def __init__(
        self,
        windows: Windows,
        trees: ChunkSource,
        plan: BlockPlan,
        source: BlockSource,
        writer: WindowsWriter,
        held: HeldFolders,
        tally: Tally,
        tick: Callable[[bytes], None],
    ) -> None:
        self._windows = windows
        self._trees = trees
        self._plan = plan
        self._source = source
        self._writer = writer
        self._held = held
        self._tally = tally
        self._tick = tick
        self._parts = _Parts(source, plan)
        self._stack = [_Level(Folder(b"", b"", fresh=False))]
        self._window: list[Wanted] = []
        self._window_bytes = 0
        self._numbers = 0
        self._first: dict[int, str] = {}
        """Where the first name of a file with hard links is in place."""
        self._names: dict[bytes, bytes] = {}
        """Entries that are in place under another name than their own, or not at all (empty); by their path in the
        snapshot."""
        self.restored_folders = 0

    def files(self, records: Iterable[FileRecord]) -> None:
        """Raises what the node and the core raise, a full destination's error, and what `tick` raises."""
        for record in records:
            if isinstance(record, Enter):
                self._enter(record)
            elif isinstance(record, Put):
                self._add(record)
            else:
                self._stack.pop()
        self._flush()

    def late(self, records: Iterable[Late]) -> None:
        """Raises as `files`."""
        for record in records:
            self._tick(record.source)
            if is_stream(record.entry):
                outcome = self._stream(record)
            elif record.identity:
                outcome = self._further_name(record)
            else:
                outcome = self._in(record.folder, partial(self._writer.put_link, entry=record.entry))
            self._take(record.source, record.entry, outcome)

    def folders(self, records: Iterable[FolderRecord]) -> None:
        """Their metadata, each after what is in it."""
        stack: list[tuple[bytes, bytes, Enter | None]] = [(b"", b"", None)]
        for record in records:
            if isinstance(record, Enter):
                folder, source, _ = stack[-1]
                stack.append((join(folder, record.name), source + b"/" + record.entry.name, record))
                continue
            folder, source, entered = stack.pop()
            if entered is not None and entered.apply and self._names.get(source, source):
                self._finish(folder, source, entered.entry)

    def _finish(self, folder: bytes, source: bytes, entry: Entry) -> None:
        self._tick(source)
        try:
            problems = self._writer.finish_folder(self._held.open(folder), entry)
        except WindowsFailure as failure:
            problems = [f"folder: {reason_of(failure)}"]
        except DestinationMoved:
            problems = ["folder: in_the_way"]
        if problems:
            self._tally.leave_out(source, problems)

    def _enter(self, record: Enter) -> None:
        above = self._stack[-1]
        source = above.folder.source + b"/" + record.entry.name
        level = _Level(Folder(join(above.folder.path, record.name), source, fresh=not record.exists), above.blocked)
        self._stack.append(level)
        if record.name != record.entry.name:
            self._names[source] = record.name
            self._tally.displaced.add_renamed(join(above.folder.path, record.entry.name), record.name)
        if level.blocked:
            self._names[source] = b""
            return
        try:
            self._make(above.folder.path, record)
            path = self._held.open(level.folder.path)
            if record.exists:
                self._writer.remove_temporary(path)
        except (WindowsFailure, DestinationMoved) as error:
            level.blocked = FOLDER_NOT_RESTORED
            self._names[source] = b""
            self._tally.lose(source, reason_of(error) if isinstance(error, WindowsFailure) else LINK_IN_THE_WAY)
            return
        self.restored_folders += record.apply

    def _make(self, above: bytes, record: Enter) -> None:
        if record.exists:
            return
        path = below(self._held.open(above), to_text(record.name))
        try:
            self._windows.make_folder(path, private())
        except WindowsFailure as failure:
            if failure.code not in TAKEN:
                raise

    def _add(self, record: Put) -> None:
        level, entry = self._stack[-1], record.entry
        path = level.folder.source + b"/" + entry.name
        if level.blocked:
            self._take(path, entry, missing_outcome(level.blocked))
            return
        if is_large(entry):
            self._flush()
            self._take(path, entry, self._large(level.folder.path, entry), record.identity)
            return
        self._window.append(
            Wanted(level.folder, entry.name, entry, record.identity, entry.data_bytes, joined_chunks(entry))
        )
        self._window_bytes += entry.data_bytes
        if len(self._window) >= WINDOW_FILES or self._window_bytes >= WINDOW_BYTES:
            self._flush()

    def _large(self, folder: bytes, entry: Entry, owner: str = "") -> Outcome:
        def refs() -> Iterable[ChunkRef]:
            return self._parts.refs(entry, entry_chunks(self._trees, entry))

        if owner:
            return self._in(folder, lambda at: self._writer.put_stream(at, owner, entry, refs, self._source))
        return self._in(folder, lambda at: self._writer.put_file(at, entry, refs, self._source))

    def _flush(self) -> None:
        window, self._window, self._window_bytes = self._window, [], 0
        for batch, some in self._plan.batches(window, self._next_number):
            self._source.use(batch.blocks, batch.places)
            for wanted in some:
                entry = wanted.entry
                assert isinstance(entry, Entry)
                self._tick(wanted.path)
                outcome = self._in(wanted.folder.path, partial(self._small, entry=entry))
                self._take(wanted.path, entry, outcome, wanted.identity, wanted.folder.path)

    def _small(self, at: str, entry: Entry) -> Outcome:
        return self._writer.put_file(at, entry, lambda: entry.chunks, self._source)

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _stream(self, record: Late) -> Outcome:
        entry = record.entry
        above = record.source.rpartition(b"/")[0]
        owner = owner_name(entry.name)
        there = self._names.get(above + b"/" + owner, owner)
        if not there:
            return missing_outcome(OWNER_NOT_RESTORED)
        return self._large(record.folder, entry, to_text(there))

    def _further_name(self, record: Late) -> Outcome:
        first = self._first.get(record.identity)
        entry = record.entry
        if first is not None:
            outcome = self._in(record.folder, lambda at: self._writer.put_further_name(at, entry, first))
            if outcome.state != MISSING:
                return outcome
        outcome = self._large(record.folder, entry)
        self._remember(record.identity, record.folder, outcome)
        return outcome

    def _in(self, folder: bytes, put: Callable[[str], Outcome]) -> Outcome:
        """In a folder of the destination; what is damaged in the vault makes the entry missing."""
        try:
            return put(self._held.open(folder))
        except DestinationMoved:
            return missing_outcome("in_the_way")
        except WindowsFailure as failure:
            return missing_outcome(reason_of(failure))
        except PhoenixError as error:
            reason = damage_reason(error)
            if not reason:
                raise
            return missing_outcome(reason)

    def _remember(self, identity: int, folder: bytes, outcome: Outcome) -> None:
        if identity and outcome.is_there:
            self._first[identity] = below(self._held.path_of(folder), to_text(outcome.name))

    def _take(self, path: bytes, entry: Entry, outcome: Outcome, identity: int = 0, folder: bytes = b"") -> None:
        """What became of an entry, into the tally."""
        tally = self._tally
        self._remember(identity, folder or self._stack[-1].folder.path, outcome)
        tally.done += 1
        if outcome.problems:
            tally.leave_out(path, outcome.problems)
        if outcome.is_there and outcome.name != entry.name:
            self._names[path] = outcome.name
            tally.displaced.add_renamed(path.lstrip(b"/"), outcome.name)
        if outcome.state in {SKIPPED, MISSING}:
            self._names[path] = b""
        if outcome.state in {COMPLETE, SKIPPED}:
            tally.skipped += 1
        elif outcome.state == MISSING:
            tally.lose(path, outcome.reason or DAMAGED)
        else:
            tally.files += entry.is_file
            tally.others += not entry.is_file
            tally.file_bytes += entry.size if entry.is_file else 0
