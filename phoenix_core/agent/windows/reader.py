"""Reads one file or named stream of a Windows volume into chunks, and says what became of it."""

import time
from collections.abc import Callable, Mapping

import msgspec

from phoenix_core.agent.backup.contentwindows import ContentWindows
from phoenix_core.agent.backup.cutting import Cutter
from phoenix_core.agent.backup.diskimages import DiskImages
from phoenix_core.agent.backup.fileresult import FileResult
from phoenix_core.agent.backup.records import ReadItem
from phoenix_core.agent.backup.stamps import may_change_unseen, step_ns
from phoenix_core.agent.backup.workerbody import ReaderParts
from phoenix_core.agent.windows.attributes import is_folder, is_link
from phoenix_core.agent.windows.entries import file_entry, link_entry, stream_entry
from phoenix_core.agent.windows.errors import LOCKING, reason_of
from phoenix_core.agent.windows.paths import native
from phoenix_core.agent.windows.seam import Details, InFile, ReadFiles, WindowsFailure
from phoenix_core.vault.chunker import WHOLE_FILE_MAX
from phoenix_core.vault.windowsentry import COLON, owner_name

RETRY_WAITS_S = (0.05, 0.1, 0.2)
SETTLE_NS = 30_000_000
"""A live file that changed less than this ago is read a moment later: the clock of file times ticks every 16 ms."""
SETTLE_TRIES = 3
NEVER_UNCHANGED = -1
"""As an entry's time of change: the next backup reads the file again."""
CHANGED_TYPE = "changed_type"


class Content(ContentWindows):
    """Where it says that it raises, it raises WindowsFailure."""

    def begin(self, file: InFile, size: int) -> None:
        """Start with an open file; what it grows beyond its size of now is left out."""
        self._file = file
        self._ranges = file.ranges()
        self._begin(size, sparse=self._ranges is not None)

    def _read(self, into: memoryview, at: int) -> int:
        return self._file.read_at(into, at)

    def _next_data(self, at: int) -> int | None:
        ranges = self._ranges
        while ranges and ranges[0][0] + ranges[0][1] <= at:
            ranges.pop(0)
        if ranges is None:
            return None
        return max(at, ranges[0][0]) if ranges else self.length


class WindowsReader:
    """Owns the buffers of one worker. Not thread-safe."""

    def __init__(
        self,
        windows: ReadFiles,
        roots: Mapping[str, str],
        parts: ReaderParts,
        failed: Callable[[str, WindowsFailure], None] = lambda path, failure: None,
        made_ns: Mapping[str, tuple[int, int]] = {},
    ) -> None:
        """`roots` by drive letter. `failed` is told of each call that failed, with the volume's letter; what it raises
        ends the worker. `made_ns`: of the volumes that are read from shadow copies, when these were asked for, and when
        they were there."""
        self._windows = windows
        self._roots = roots
        self._parts = parts
        self._failed = failed
        self._made_ns = made_ns
        self._cutter = Cutter(parts.add, parts.chunker_seed)
        self._fixed = DiskImages(parts.images, ignore_case=True)
        self._content = Content(parts.tick)

    def read(self, item: ReadItem) -> FileResult:
        """Raises what storing a chunk raises, and WindowsFailure for trouble that isn't about the file."""
        for wait_s in (*RETRY_WAITS_S, None):
            try:
                return self._read(item)
            except WindowsFailure as failure:
                if failure.code in LOCKING and wait_s is not None:
                    time.sleep(wait_s)
                    continue
                self._failed(item.path[1:2].decode(), failure)
                return FileResult(reason=reason_of(failure), path=item.path)
        raise AssertionError("the last try has no wait")

    def _read(self, item: ReadItem) -> FileResult:
        path = native(self._roots, item.path)
        expected = 0
        if COLON not in item.name:
            facts = self._windows.details(path).facts
            if is_link(facts):
                security, data = self._windows.security(path), self._windows.reparse_data(path)
                return FileResult(link_entry(item.name, facts, security, data), changed=True)
            if is_folder(facts):
                return FileResult(reason=CHANGED_TYPE, path=item.path)
            expected = facts.file_id
        file = self._windows.open_file(path)
        try:
            before, restless = _settled(file)
            if expected not in {0, before.facts.file_id}:  # a link took its place, and was followed
                return FileResult(reason=CHANGED_TYPE, path=item.path)
            unsure = self._may_change_unseen(item, before)
            result = self._entry(item, file, before)
            if not unsure or result.entry is None:
                return result
            entry = msgspec.structs.replace(result.entry, ctime_ns=NEVER_UNCHANGED)
            return msgspec.structs.replace(result, entry=entry, changed=result.changed or restless)
        finally:
            file.close()

    def _may_change_unseen(self, item: ReadItem, details: Details) -> bool:
        """Whether the live file may get other content under the stamp that was just read."""
        stamp_ns = _stamp_ns(details)
        made = self._made_ns.get(item.path[1:2].decode())
        if made is None:
            return may_change_unseen(stamp_ns, time.time_ns(), SETTLE_NS)
        return made[0] - step_ns(stamp_ns, SETTLE_NS) <= stamp_ns <= made[1]

    def _entry(self, item: ReadItem, file: InFile, before: Details) -> FileResult:
        self._parts.opened(item)
        size = before.facts.size
        is_large = size > WHOLE_FILE_MAX
        fixed = is_large and self._fixed.match(owner_name(item.path))
        content = self._content
        content.begin(file, size)
        chunks, packed = self._cutter.cut(content, is_large=is_large, fixed=fixed)
        length, extents = content.length, content.extents
        if COLON in item.name:
            entry = stream_entry(item.name, before, length, chunks, extents, fixed=fixed)
        else:
            entry = file_entry(item.name, before, file.security(), length, chunks, extents, fixed=fixed)
        after = file.details()
        return FileResult(entry, packed, changed=length != size or after != before, read_bytes=content.read_bytes)


def _settled(file: InFile) -> tuple[Details, bool]:
    """The file's facts, at a time when any later change will show, and whether it changes on and on."""
    details = file.details()
    for _ in range(SETTLE_TRIES):
        age_ns = time.time_ns() - _stamp_ns(details)
        if not 0 <= age_ns < SETTLE_NS:
            return details, False
        time.sleep((SETTLE_NS - age_ns) / 1e9)
        details = file.details()
    return details, 0 <= time.time_ns() - _stamp_ns(details) < SETTLE_NS


def _stamp_ns(details: Details) -> int:
    """FAT keeps no time of change."""
    return details.facts.changed_ns or details.facts.modified_ns
