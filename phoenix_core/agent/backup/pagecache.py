"""Leaves the page cache as it was: what reading a file brought in is dropped again, what was there stays.

A read that may not wait (RWF_NOWAIT) gives what is in the cache, so for a cached file nothing else is asked. Where it
gives less, mincore(2) tells which pages are there, and the others are dropped once they are read. The kernel reads
ahead, so pages are looked at well before the reading gets there.
"""

import ctypes
import errno
import mmap
import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

LOOK_BYTES = 16 * 2**20
"""Looked at in one go, and kept looked at ahead of the reading: more than kernels read ahead."""
DROP_BYTES = 8 * 2**20
"""Dropped in ranges aligned at this: a large folio that lies across the edge of a range would stay."""
_NO_NOWAIT = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}
_ABSENT = re.compile(rb"\x00+")
Read = Callable[[memoryview, int], int]
_FAILED = ctypes.c_void_p(-1).value


class CacheKeeper:
    """Reads one file at a time, forwards. Not thread-safe."""

    def __init__(self) -> None:
        self.read: Read = self._read_cached
        """As preadv does, of bytes at an offset: how many came, 0 at the end. Raises OSError."""
        self._residency = _Residency()
        self._fd = -1
        self._size = 0
        self._was_cold = False
        """The file, or the one before, was not in the cache as a whole."""
        self._unable_device = -1
        """The last device met whose file system knows no reads that don't wait."""
        self._looked_to = 0
        self._brought: deque[tuple[int, int]] = deque()
        """Pages that were not in the cache: offsets from and to, in order."""

    @contextmanager
    def reading(self, fd: int) -> Iterator[None]:
        """Read an open file meanwhile, with `read` and `fill`."""
        self.begin(fd, os.fstat(fd))
        try:
            yield
        finally:
            self.finish()

    def fill(self, into: memoryview, at: int) -> int:
        """As `read`, but fewer bytes than fit come only where the file ends."""
        came = 0
        while came < len(into):
            count = self.read(into[came:], at + came)
            if not count:
                break
            came += count
        return came

    def begin(self, fd: int, status: os.stat_result) -> None:
        """Start with an open file."""
        self._fd = fd
        self._size = status.st_size
        if status.st_dev == self._unable_device:
            self.read = self._read_plain
            return
        self.read = self._read_cached
        if self._was_cold:
            # Look first: a read that fails makes the kernel read ahead, and some of that may be there before the look.
            self._forget()
            self._look(0)
            self._was_cold = bool(self._brought)
            if self._was_cold:
                self.read = self._read_cold

    def finish(self) -> None:
        """Before the file is closed."""
        if self._brought:
            self._drop(self._size + mmap.PAGESIZE)

    def _forget(self) -> None:
        self._looked_to = 0
        self._brought.clear()

    def _read_cached(self, into: memoryview, at: int) -> int:
        try:
            return os.preadv(self._fd, [into], at, os.RWF_NOWAIT)
        except BlockingIOError:
            self._was_cold = True
            self._forget()
            self.read = self._read_cold
        except OSError as error:
            if error.errno not in _NO_NOWAIT:
                raise
            self._unable_device = os.fstat(self._fd).st_dev
            self.read = self._read_plain
        return self.read(into, at)

    def _read_cold(self, into: memoryview, at: int) -> int:
        self._look(at)
        self._drop(at // DROP_BYTES * DROP_BYTES)
        return os.preadv(self._fd, [into], at)

    def _read_plain(self, into: memoryview, at: int) -> int:
        return os.preadv(self._fd, [into], at)

    def _look(self, at: int) -> None:
        """Have the pages looked at so far ahead that no reading ahead has got there."""
        self._looked_to = max(self._looked_to, at // mmap.PAGESIZE * mmap.PAGESIZE)
        while self._looked_to < min(self._size, at + LOOK_BYTES):
            start = self._looked_to
            end = min((start // LOOK_BYTES + 1) * LOOK_BYTES, self._size)
            for absent in _ABSENT.finditer(self._residency.of(self._fd, start, end - start)):
                self._brought.append((start + absent.start() * mmap.PAGESIZE, start + absent.end() * mmap.PAGESIZE))
            self._looked_to = end

    def _drop(self, until: int) -> None:
        """What was brought in below `until`."""
        while self._brought and self._brought[0][0] < until:
            start, end = self._brought.popleft()
            if end > until:
                self._brought.appendleft((until, end))
                end = until
            with suppress(OSError):
                os.posix_fadvise(self._fd, start, end - start, os.POSIX_FADV_DONTNEED)


class _Residency:
    """mincore(2) through ctypes: Python has none."""

    def __init__(self) -> None:
        libc: Any = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        numbers = (ctypes.c_int,) * 3
        libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *numbers, ctypes.c_long)
        libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
        libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        self._libc = libc
        self._pages = ctypes.create_string_buffer(LOOK_BYTES // mmap.PAGESIZE)

    def of(self, fd: int, start: int, length: int) -> bytes:
        """A byte per page, 1 if it is in the cache. Nothing where that can't be known; the kernel calls all pages
        present to who neither owns the file nor may write it."""
        address = self._libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, fd, start)
        if address in {None, _FAILED}:
            return b""
        try:
            if self._libc.mincore(address, length, self._pages) != 0:
                return b""
            return ctypes.string_at(self._pages, -(-length // mmap.PAGESIZE))
        finally:
            self._libc.munmap(address, length)
