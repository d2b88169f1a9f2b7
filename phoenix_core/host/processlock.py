"""A lock file that one process holds, and that names it. The kernel releases it with the process."""

import os
from pathlib import Path

from phoenix_core.host.openfiles import CLOSED_AT_EXEC, lock, read_at, write_at


class LockHeld(Exception):
    """Another process holds the lock; for the owner of the lock to turn into an error with words."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid
        """0: not known."""


class ProcessLock:
    """All methods but `wait_free` return at once. Any may raise OSError where the file can't be opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def acquire(self) -> None:
        """Raises LockHeld."""
        fd = self._open()
        try:
            lock(fd)
        except BlockingIOError as error:
            pid = _named(fd)
            os.close(fd)
            raise LockHeld(pid) from error
        os.ftruncate(fd, 0)
        write_at(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def holder(self) -> int:
        """The process that holds it; 0 where none does."""
        if not self._path.exists():
            return 0
        fd = self._open()
        try:
            lock(fd, shared=True)
        except BlockingIOError:
            return _named(fd)
        else:
            return 0
        finally:
            os.close(fd)

    def wait_free(self) -> None:
        """Blocks until no process holds it."""
        fd = self._open()
        try:
            lock(fd, wait=True)
        finally:
            os.close(fd)

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | CLOSED_AT_EXEC, 0o600)


def _named(fd: int) -> int:
    name = read_at(fd, 32, 0).decode("ascii", "replace").strip()
    return int(name) if name.isdigit() else 0
