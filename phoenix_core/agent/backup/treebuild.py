"""Builds the snapshot's trees from the scan's records and the workers' results, bottom up, in one pass."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from phoenix_core.agent.backup.fileresult import FileResult, unpack_refs
from phoenix_core.agent.backup.records import Enter, Keep, KeepFolder, Leave, Link, Lost, Read, ReadItem, Record, join
from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.filelists import write_chunk_list
from phoenix_core.vault.listnode import ChunkSink
from phoenix_core.vault.tree import TreeWriter

TICK_RECORDS = 512
PACKED_FROM = 4096
"""A folder with more entries than these holds them encoded while it waits for the rest."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


@dataclass
class TreeCounts:
    """What the snapshot holds."""

    files: int = 0
    folders: int = 0
    others: int = 0
    bytes: int = 0
    read_bytes: int = 0
    changed_files: int = 0
    """Files that were read."""
    missing: int = 0


@dataclass(slots=True)
class _Folder:
    entry: Entry | None
    path: bytes
    entries: list[Entry] = field(default_factory=list)
    packed: list[bytes] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        if len(self.entries) >= PACKED_FROM:
            self.packed += map(_encode, self.entries)
            self.entries.clear()

    def all(self) -> Iterator[Entry]:
        yield from map(_decode, self.packed)
        yield from self.entries


@dataclass(slots=True)
class _LinkedFile:
    entry: bytes
    """Encoded."""
    remaining: int
    changed: bool
    """It was being changed while it was read."""


class TreeBuilder:
    def __init__(
        self,
        sink: ChunkSink,
        next_result: Callable[[], FileResult],
        read_now: Callable[[ReadItem], FileResult],
        *,
        missing: Callable[[bytes, str], None],
        changed: Callable[[bytes], None],
    ) -> None:
        """`sink` takes metadata chunks. `next_result` gives what became of the next file on the read list, `read_now`
        has one more read. `missing` is told each path that is left out and why, `changed` each file that was being
        changed while it was read."""
        self.counts = TreeCounts()
        self._sink = sink
        self._trees = TreeWriter(sink)
        self._next_result = next_result
        self._read_now = read_now
        self._missing = missing
        self._changed = changed
        self._stack = [_Folder(None, b"/")]
        self._linked: dict[int, _LinkedFile] = {}

    def build(self, records: Iterable[Record], tick: Callable[[], None] = lambda: None) -> ChunkId:
        """The root tree's chunk id. `tick` is called every some hundred records. Raises what the callables and the sink
        raise."""
        for number, record in enumerate(records):
            if number % TICK_RECORDS == 0:
                tick()
            if isinstance(record, Keep):
                self._keep(record)
            elif isinstance(record, KeepFolder):
                self._keep_folder(record)
            elif isinstance(record, Read):
                self._read(record)
            elif isinstance(record, Enter):
                path = join(self._stack[-1].path, record.entry.name)
                self._stack.append(_Folder(record.entry, path))
            elif isinstance(record, Leave):
                self._leave()
            elif isinstance(record, Link):
                self._link(record)
            elif isinstance(record, Lost):
                self._lose(record.path, record.reason)
        return self._trees.write(self._stack[0].all())

    def _keep(self, record: Keep) -> None:
        entry = record.entry
        if entry.is_file:
            self._count_file(entry, counted=record.counted)
            if record.identity:
                self._link_met(record.identity, entry)
        else:
            self.counts.others += 1
        self._stack[-1].add(entry)

    def _keep_folder(self, record: KeepFolder) -> None:
        counts, amounts = self.counts, record.amounts
        counts.files += amounts.files
        counts.folders += amounts.folders
        counts.others += amounts.others
        counts.bytes += amounts.bytes
        self._stack[-1].add(record.entry)

    def _read(self, record: Read) -> None:
        result = self._next_result()
        entry = self._taken(result)
        if entry is None:
            return
        if record.identity and entry.is_file:
            self._link_met(record.identity, entry, changed=result.changed)
        self._add_read(entry, counted=True)

    def _link(self, record: Link) -> None:
        """Another name of a file that was read. Where that failed, or another file has taken the place of its first
        name since the scan, read this one."""
        first = self._linked.get(record.identity)
        entry = _decode(first.entry) if first is not None else None
        if first is not None and entry is not None and entry.inode == record.inode:
            entry = msgspec.structs.replace(entry, name=record.item.name)
            if first.changed:
                self._changed(record.item.path)
            self._link_met(record.identity, entry)
            self._add_read(entry, counted=False)
            return
        result = self._read_now(record.item)
        found = self._taken(result)
        if found is not None:
            if found.is_file:
                self._linked.pop(record.identity, None)
                self._link_met(record.identity, found, changed=result.changed)
            self._add_read(found, counted=True)

    def _link_met(self, identity: int, entry: Entry, *, changed: bool = False) -> None:
        """Keep a file's content for its further links, until all have come."""
        held = self._linked.get(identity)
        if held is None:
            self._linked[identity] = _LinkedFile(_encode(entry), entry.links - 1, changed)
            return
        held.remaining -= 1
        if held.remaining <= 0:
            del self._linked[identity]

    def _taken(self, result: FileResult) -> Entry | None:
        """The entry of a file that was read, complete; None if it is missing."""
        self.counts.read_bytes += result.read_bytes
        if result.entry is None:
            self._lose(result.path, result.reason)
            return None
        entry = result.entry
        if result.packed_chunks:
            chunk_list = write_chunk_list(self._sink, unpack_refs(result.packed_chunks))
            entry = msgspec.structs.replace(entry, chunk_list=chunk_list)
        if result.changed:
            self._changed(join(self._stack[-1].path, entry.name))
        if entry.is_file:
            self.counts.changed_files += 1
        return entry

    def _add_read(self, entry: Entry, *, counted: bool) -> None:
        if entry.is_file:
            self._count_file(entry, counted=counted)
        else:
            self.counts.others += 1
        self._stack[-1].add(entry)

    def _count_file(self, entry: Entry, *, counted: bool) -> None:
        self.counts.files += 1
        if counted:
            self.counts.bytes += entry.size

    def _leave(self) -> None:
        folder = self._stack.pop()
        if folder.entry is None:
            return
        if not folder.entry.partial:
            self.counts.folders += 1
        tree = self._trees.write(folder.all())
        self._stack[-1].add(msgspec.structs.replace(folder.entry, tree=tree))

    def _lose(self, path: bytes, reason: str) -> None:
        self.counts.missing += 1
        self._missing(path, reason)
