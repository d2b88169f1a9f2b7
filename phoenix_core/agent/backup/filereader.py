"""Reads one file into chunks, and says what became of it: read, changed meanwhile, or missing."""

import errno
import os
import stat
import time
from collections.abc import Callable

import msgspec

from phoenix_core.agent.backup.cutting import AddChunk, Cutter
from phoenix_core.agent.backup.diskimages import Named
from phoenix_core.agent.backup.fileresult import FileResult
from phoenix_core.agent.backup.filesystem_errors import CHANGED_TYPE, RETRIED, RETRY_WAITS_S, VANISHED, reason_of
from phoenix_core.agent.backup.folders import FolderCache
from phoenix_core.agent.backup.metadata import EntryMaker
from phoenix_core.agent.backup.openfile import open_file_in
from phoenix_core.agent.backup.records import ReadItem
from phoenix_core.agent.backup.stamps import may_change_unseen
from phoenix_core.agent.backup.views import LIVE, Views
from phoenix_core.agent.backup.windows import Windows
from phoenix_core.vault.chunker import WHOLE_FILE_MAX

SETTLE_NS = 20_000_000
"""A file that changed less than this ago is read a moment later: a kernel's time stamps are up to 10 ms coarse, and a
change after the read must show in them."""
SETTLE_TRIES = 3


class FileReader:
    """Owns the buffers of one worker. Not thread-safe."""

    def __init__(
        self,
        add: AddChunk,
        chunker_seed: int,
        fixed: Named,
        *,
        tick: Callable[[int], None] = lambda count: None,
        opened: Callable[[ReadItem, int], None] = lambda item, fd: None,
        views: Views = LIVE,
    ) -> None:
        """`add` stores a chunk. `fixed`: files that are cut at fixed offsets. `tick` is told the bytes read.
        `opened` is called after a file was opened and looked at, before its content is read."""
        self._cutter = Cutter(add, chunker_seed)
        self._fixed = fixed
        self._windows = Windows(tick)
        self._views = views
        self._maker = EntryMaker(views)
        self._folders = FolderCache(views=views)
        self._tick = tick
        self._opened = opened

    def close(self) -> None:
        self._folders.close()

    def read(self, item: ReadItem) -> FileResult:
        """Raises what storing a chunk raises, and OSError for trouble that isn't about the file."""
        for wait_s in (*RETRY_WAITS_S, None):
            try:
                return self._read(item)
            except OSError as error:
                if error.errno in RETRIED and wait_s is not None:
                    time.sleep(wait_s)
                    continue
                return FileResult(reason=reason_of(error), path=item.path)
        return FileResult(reason=VANISHED, path=item.path)

    def _read(self, item: ReadItem) -> FileResult:
        try:
            fd = self._open(item)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENXIO, errno.ENODEV}:
                return self._not_a_file(item)
            raise
        try:
            frozen = self._views.is_snapshot(item.folder)
            status = os.fstat(fd) if frozen else _settled(fd)
            if not stat.S_ISREG(status.st_mode):
                return self._not_a_file(item)
            restless = not frozen and _age_ns(status) < SETTLE_NS
            unsure = not frozen and may_change_unseen(status.st_ctime_ns, time.time_ns(), SETTLE_NS)
            self._opened(item, fd)
            result = self._content(item, fd, status)
            if frozen and self._views.may_have_changed_since(item.folder, status.st_ctime_ns):
                return _read_again(result)
            if restless:
                return _never_unchanged(result)
            return _read_again(result) if unsure else result
        finally:
            os.close(fd)

    def _open(self, item: ReadItem) -> int:
        try:
            return open_file_in(self._folders.open(item.folder), item.name)
        except FileNotFoundError:
            # The folder itself may have been replaced since it was opened.
            self._folders.forget(item.folder)
            return open_file_in(self._folders.open(item.folder), item.name)

    def _not_a_file(self, item: ReadItem) -> FileResult:
        """The name stands for something else since the scan: a link, FIFO, socket or device is taken as it is."""
        folder = self._folders.open(item.folder)
        status = os.lstat(item.name, dir_fd=folder)
        if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
            return FileResult(reason=CHANGED_TYPE, path=item.path)
        try:
            return FileResult(self._maker.in_folder(folder, item.name, status), changed=True)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return FileResult(reason=CHANGED_TYPE, path=item.path)
            raise

    def _content(self, item: ReadItem, fd: int, status: os.stat_result) -> FileResult:
        is_large = status.st_size > WHOLE_FILE_MAX
        fixed = is_large and self._fixed.match(item.path)
        windows = self._windows
        windows.begin(fd, status)
        try:
            chunks, packed = self._cutter.cut(windows, is_large=is_large, fixed=fixed)
        finally:
            windows.finish()
        extents = windows.extents
        entry = self._maker.of_file(fd, item.name, status, windows.length, chunks, extents, fixed=fixed)
        changed = windows.length != status.st_size or _changed(status, os.fstat(fd))
        return FileResult(entry, packed, changed=changed, read_bytes=windows.read_bytes)


def _settled(fd: int) -> os.stat_result:
    """The file's fstat, at a time when any later change will show; of a file that changes on and on, just its fstat."""
    status = os.fstat(fd)
    for _ in range(SETTLE_TRIES):
        age_ns = _age_ns(status)
        if age_ns >= SETTLE_NS:
            break
        time.sleep((SETTLE_NS - age_ns) / 1e9)
        status = os.fstat(fd)
    return status


def _age_ns(status: os.stat_result) -> int:
    """Time since the last change; a change in the future is long ago, since the clock went back since."""
    age_ns = time.time_ns() - status.st_ctime_ns
    return age_ns if age_ns >= 0 else SETTLE_NS


def _never_unchanged(result: FileResult) -> FileResult:
    """Of a file that a change may have escaped: told as changed, and read again by the next backup."""
    return _read_again(result if result.entry is None else msgspec.structs.replace(result, changed=True))


def _read_again(result: FileResult) -> FileResult:
    """By the next backup, whatever it finds."""
    if result.entry is None:
        return result
    return msgspec.structs.replace(result, entry=msgspec.structs.replace(result.entry, ctime_ns=0))


def _changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) != (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )
