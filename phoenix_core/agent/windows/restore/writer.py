"""Puts entries in place on Windows: each under a temporary name until it is complete, metadata and all.

The order of a file: made with rights for the system and the administrators only, then marked sparse or compressed, its
content, its security descriptor, its times and attributes, and then its name. Streams come when all files are in
place, and the times and attributes of what they belong to are set once more after each.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from phoenix_core.agent.restore.conflict import restored_name
from phoenix_core.agent.restore.content import extents_of
from phoenix_core.agent.restore.errors import IN_THE_WAY, DestinationFull, DestinationNotWritable
from phoenix_core.agent.restore.records import COMPLETE, SKIPPED, WRITTEN, Outcome, missing
from phoenix_core.agent.windows.attributes import (
    COMPRESSED,
    DIRECTORY,
    NORMAL,
    READONLY,
    SETTABLE,
    SPARSE,
    is_folder,
    is_link,
)
from phoenix_core.agent.windows.descriptor import is_descriptor, private, to_be_set
from phoenix_core.agent.windows.errors import ABSENT, DISK_FULL, WRITE_PROTECT, reason_of
from phoenix_core.agent.windows.marks import TEMP, TEMP_END, is_half_restored
from phoenix_core.agent.windows.names import to_bytes, to_text
from phoenix_core.agent.windows.paths import below
from phoenix_core.agent.windows.seam import FileFacts, OutFile, Windows, WindowsFailure
from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.names import shown
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.chunkid import keyed_id
from phoenix_core.vault.entry import ChunkRef, Entry, Extent
from phoenix_core.vault.errors import ChunkDamaged
from phoenix_core.vault.windowsentry import COLON, REPARSE, SECURITY, VOLUME, attribute, attribute_bits

_FILE_DISK_FULL = 39
_NOT_HIDDEN = READONLY | 0x20 | 0x2000
"""Of a volume's root folder, which is hidden and a system's, when it becomes a folder like others."""
Refs = Callable[[], Iterable[ChunkRef]]
"""A file's chunks, anew at each call."""


class Chunks(Protocol):
    def read_one(self, chunk: ChunkId) -> bytes | memoryview: ...


class WindowsWriter:
    """Not thread-safe."""

    def __init__(
        self, windows: Windows, rule: ConflictRule, stamp: str, job: str, id_key: bytes, tick: Callable[[int], None]
    ) -> None:
        """`id_key` tells a chunk's id. `tick` takes the bytes of each chunk; what it raises ends the restore."""
        self._windows = windows
        self._rule = rule
        self._stamp = stamp
        self._job = job
        self._id_key = id_key
        self._tick = tick
        self._number = 0

    def put_file(self, folder: str, entry: Entry, refs: Refs, chunks: Chunks) -> Outcome:
        """Raises `DestinationFull`, `DestinationNotWritable`, and what reading chunks raises."""
        return self._general(entry, lambda: self._put_file(folder, entry, refs, chunks))

    def put_link(self, folder: str, entry: Entry) -> Outcome:
        """A junction, symbolic link or another reparse point. Raises as `put_file`."""
        return self._general(entry, lambda: self._put_link(folder, entry))

    def put_further_name(self, folder: str, entry: Entry, first: str) -> Outcome:
        """Another hard link of a file that is in place. Raises as `put_file`."""
        return self._general(entry, lambda: self._put_further_name(folder, entry, first))

    def put_stream(self, folder: str, owner: str, entry: Entry, refs: Refs, chunks: Chunks) -> Outcome:
        """A named stream of the file or folder `owner`. Raises as `put_file`."""
        return self._general(entry, lambda: self._put_stream(folder, owner, entry, refs, chunks))

    def finish_folder(self, path: str, entry: Entry) -> list[str]:
        """Give a folder its metadata; what could not be applied."""
        problems: list[str] = []
        self._apply(path, entry, problems)
        return problems

    def remove_temporary(self, folder: str) -> None:
        """What an interrupted restore left half-done in a folder that was there before."""
        for facts in self._windows.list_folder(folder):
            if is_half_restored(facts.name) and self._job not in facts.name:
                self._remove(below(folder, facts.name), facts)

    def _general(self, entry: Entry, put: Callable[[], Outcome]) -> Outcome:
        """Failures that are about this entry make it missing."""
        try:
            return put()
        except WindowsFailure as failure:
            if failure.code in {DISK_FULL, _FILE_DISK_FULL}:
                raise DestinationFull(path=shown(entry.name), detail=str(failure)) from failure
            if failure.code == WRITE_PROTECT:
                raise DestinationNotWritable(path=shown(entry.name), detail="the volume is read-only") from failure
            return missing(reason_of(failure))

    def _put_file(self, folder: str, entry: Entry, refs: Refs, chunks: Chunks) -> Outcome:
        name = to_text(entry.name)
        existing = self._existing(below(folder, name))
        if existing is not None and self._is_equal(below(folder, name), existing, entry, refs):
            if self._rule is ConflictRule.SKIP:
                return Outcome(COMPLETE, name=entry.name)
            problems: list[str] = []
            self._apply(below(folder, name), entry, problems)
            return Outcome(COMPLETE, problems=tuple(problems), name=entry.name)
        final = self._final_name(folder, entry, existing)
        if isinstance(final, Outcome):
            return final
        temp = self._temp(folder)
        try:
            self._write(self._windows.create_file(temp, private()), entry, refs, chunks)
            return self._complete(folder, temp, final, entry, existing)
        except BaseException:
            self._drop(temp)
            raise

    def _put_link(self, folder: str, entry: Entry) -> Outcome:
        data = attribute(entry, REPARSE)
        if not data:
            return missing("no_reparse_data")
        existing = self._existing(below(folder, to_text(entry.name)))
        final = self._final_name(folder, entry, existing)
        if isinstance(final, Outcome):
            return final
        temp = self._temp(folder)
        try:
            if attribute_bits(entry) & DIRECTORY:
                self._windows.make_folder(temp, private())
            else:
                self._windows.create_file(temp, private()).close()
            self._windows.set_reparse_data(temp, data)
            return self._complete(folder, temp, final, entry, existing)
        except BaseException:
            self._drop(temp)
            raise

    def _put_further_name(self, folder: str, entry: Entry, first: str) -> Outcome:
        existing = self._existing(below(folder, to_text(entry.name)))
        if existing is not None and existing.file_id and existing.file_id == self._windows.details(first).facts.file_id:
            return Outcome(COMPLETE, name=entry.name)
        final = self._final_name(folder, entry, existing)
        if isinstance(final, Outcome):
            return final
        temp = self._temp(folder)
        try:
            self._windows.link(first, temp)
            self._take_name(folder, temp, final, existing)
        except BaseException:
            self._drop(temp)
            raise
        return Outcome(WRITTEN, name=to_bytes(final))

    def _put_stream(self, folder: str, owner: str, entry: Entry, refs: Refs, chunks: Chunks) -> Outcome:
        path = below(folder, owner)
        stream = to_text(entry.name.partition(COLON)[2])
        facts = self._windows.details(path).facts
        if facts.attributes & READONLY:
            self._windows.set_facts(path, NORMAL, 0, 0)
        self._write(self._windows.open_stream(f"{path}:{stream}"), entry, refs, chunks, is_stream=True)
        self._windows.set_facts(path, _settable(entry), entry.birth_ns or 0, entry.mtime_ns)
        return Outcome(WRITTEN, name=entry.name)

    def _existing(self, path: str) -> FileFacts | None:
        try:
            return self._windows.details(path).facts
        except WindowsFailure as failure:
            if failure.code in ABSENT:
                return None
            raise

    def _final_name(self, folder: str, entry: Entry, existing: FileFacts | None) -> str | Outcome:
        """The name that the entry takes; or what becomes of it instead."""
        name = to_text(entry.name)
        if existing is None:
            return name
        if self._rule is ConflictRule.KEEP_BOTH:
            attempt = 1
            while self._existing(below(folder, other := to_text(restored_name(entry.name, self._stamp, attempt)))):
                attempt += 1
            return other
        is_older = self._rule is ConflictRule.IF_OLDER and existing.modified_ns < entry.mtime_ns
        if self._rule is not ConflictRule.OVERWRITE and not is_older:
            return Outcome(SKIPPED)
        if is_folder(existing) and not is_link(existing):
            return missing(IN_THE_WAY)
        return name

    def _is_equal(self, path: str, existing: FileFacts, entry: Entry, refs: Refs) -> bool:
        """Whether a file there has the entry's size, time and content."""
        if is_folder(existing) or is_link(existing):
            return False
        if (existing.size, existing.modified_ns) != (entry.size, entry.mtime_ns):
            return False
        file = self._windows.open_file(path)
        try:
            return self._has_content(file.read_at, entry, refs())
        except _Scattered:
            return False
        finally:
            file.close()

    def _has_content(self, read: "Read", entry: Entry, refs: Iterable[ChunkRef]) -> bool:
        """Raises `_Scattered`."""
        at = 0
        for offset, ref in _laid_out(extents_of(entry), refs):
            data = bytearray(ref.length)
            if not _is_zero(read, at, offset) or _read_all(read, memoryview(data), offset) != ref.length:
                return False
            if keyed_id(self._id_key, data) != ref.id:
                return False
            at = offset + ref.length
            self._tick(ref.length)
        return _is_zero(read, at, entry.size)

    def _write(self, file: OutFile, entry: Entry, refs: Refs, chunks: Chunks, *, is_stream: bool = False) -> None:
        try:
            bits = attribute_bits(entry)
            if not is_stream:
                with suppress(WindowsFailure):  # the file system may know neither; the content is the same
                    if bits & SPARSE:
                        file.set_sparse()
                    if bits & COMPRESSED:
                        file.set_compressed()
            for at, data in _pieces(extents_of(entry), refs(), chunks, self._tick):
                file.write_at(data, at)
            file.set_size(entry.size)
            file.flush()
        finally:
            file.close()

    def _complete(self, folder: str, temp: str, final: str, entry: Entry, existing: FileFacts | None) -> Outcome:
        problems: list[str] = []
        self._apply(temp, entry, problems)
        self._take_name(folder, temp, final, existing)
        return Outcome(WRITTEN, problems=tuple(problems), name=to_bytes(final))

    def _take_name(self, folder: str, temp: str, final: str, existing: FileFacts | None) -> None:
        path = below(folder, final)
        there = existing if existing is not None and final == existing.name else self._existing(path)
        if there is not None and (is_folder(there) or there.attributes & READONLY):
            self._remove(path, there)
        self._windows.rename(temp, path, replace=True)

    def _apply(self, path: str, entry: Entry, problems: list[str]) -> None:
        security = attribute(entry, SECURITY)
        if security and is_descriptor(security):
            try:
                self._windows.set_security(path, to_be_set(security))
            except WindowsFailure as failure:
                problems.append(f"security descriptor: {reason_of(failure)}")
        elif security:
            problems.append("security descriptor: malformed")
        try:
            self._windows.set_facts(path, _settable(entry), entry.birth_ns or 0, entry.mtime_ns)
        except WindowsFailure as failure:
            problems.append(f"times and attributes: {reason_of(failure)}")

    def _temp(self, folder: str) -> str:
        self._number += 1
        return below(folder, f"{TEMP}{self._job}-{self._number}{TEMP_END}")

    def _drop(self, temp: str) -> None:
        with suppress(WindowsFailure):
            self._remove(temp, self._windows.details(temp).facts)

    def _remove(self, path: str, facts: FileFacts) -> None:
        with suppress(WindowsFailure):
            if facts.attributes & READONLY:
                self._windows.set_facts(path, NORMAL, 0, 0)
            self._windows.delete_folder(path) if is_folder(facts) else self._windows.delete_file(path)


def _settable(entry: Entry) -> int:
    bits = attribute_bits(entry) & SETTABLE
    if attribute(entry, VOLUME) is not None:
        bits &= _NOT_HIDDEN
    return bits or NORMAL


class _Scattered(Exception):
    """A chunk lies in more than one extent."""


def _laid_out(extents: Iterable[Extent], refs: Iterable[ChunkRef]) -> Iterable[tuple[int, ChunkRef]]:
    """Each chunk with its offset. Raises `_Scattered` for a file that is compared by writing it anew."""
    places = iter(extents)
    at = left = 0
    for ref in refs:
        if not left:
            extent = next(places, None)
            if extent is None:
                raise _Scattered
            at, left = extent.offset, extent.length
        if ref.length > left:
            raise _Scattered
        yield at, ref
        at, left = at + ref.length, left - ref.length


def _pieces(
    extents: Iterable[Extent], refs: Iterable[ChunkRef], chunks: Chunks, tick: Callable[[int], None]
) -> Iterable[tuple[int, memoryview]]:
    """What is to be written where. Raises `ChunkDamaged`, and what reading chunks raises."""
    places = iter(extents)
    at = left = 0
    for ref in refs:
        data = memoryview(chunks.read_one(ChunkId(ref.id)))
        if len(data) != ref.length:
            raise ChunkDamaged(chunk=ref.id.hex(), pack="", detail="its length is not what its file says")
        while data:
            if not left:
                extent = next(places, None)
                if extent is None:
                    raise ChunkDamaged(chunk="", pack="", detail="a file's chunks are longer than its data")
                at, left = extent.offset, extent.length
            piece = data[:left]
            yield at, piece
            at, left, data = at + len(piece), left - len(piece), data[len(piece) :]
        tick(ref.length)


Read = Callable[[memoryview, int], int]


def _read_all(read: Read, into: memoryview, at: int) -> int:
    filled = 0
    while filled < len(into) and (count := read(into[filled:], at + filled)):
        filled += count
    return filled


def _is_zero(read: Read, start: int, end: int) -> bool:
    buffer = bytearray(2**20)
    while start < end:
        view = memoryview(buffer)[: min(len(buffer), end - start)]
        count = _read_all(read, view, start)
        if not count:
            return False
        if any(view[:count].tobytes().lstrip(b"\0")):
            return False
        start += count
    return True
