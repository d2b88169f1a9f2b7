"""Reads a file of this host in windows: by its descriptor, and leaving the page cache as it was."""

import errno
import os
from collections.abc import Callable

from phoenix_core.agent.backup.contentwindows import ContentWindows
from phoenix_core.agent.backup.pagecache import CacheKeeper


class Windows(ContentWindows):
    """Where it says that it raises, it raises OSError."""

    def __init__(self, tick: Callable[[int], None] = lambda count: None) -> None:
        super().__init__(tick)
        self._cache = CacheKeeper()
        self._fd = -1

    def begin(self, fd: int, status: os.stat_result) -> None:
        """Start with an open file; what it grows beyond its size of now is left out."""
        self._fd = fd
        self._begin(status.st_size, sparse=status.st_blocks * 512 < status.st_size)
        self._cache.begin(fd, status)

    def finish(self) -> None:
        """Before the file is closed: what reading it brought into the page cache leaves it."""
        self._cache.finish()

    def _read(self, into: memoryview, at: int) -> int:
        return self._cache.read(into, at)

    def _next_data(self, at: int) -> int | None:
        try:
            return os.lseek(self._fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                self.length = max(at, min(self.length, os.fstat(self._fd).st_size))
                return self.length
            if error.errno == errno.EINVAL:
                return None
            raise
