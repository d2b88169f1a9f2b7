"""Reading and writing at an offset, flags and locks of open files, where systems differ."""

import errno
import importlib
import os
from typing import Any

from phoenix_core.host.process import IS_WINDOWS

CLOSED_AT_EXEC: int = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_BINARY", 0)
"""Flag of `os.open` for a file that no program started later is to have, and whose bytes are left as they are."""
NOT_A_LINK: int = getattr(os, "O_NOFOLLOW", 0)
_LOCKED_AT = 2**62
"""Windows locks bytes, and keeps others from reading them: these are far behind any file's end."""


def read_at(fd: int, length: int, offset: int) -> bytes:
    """As `os.pread`. On Windows it moves the file's position: one thread at a time. Raises OSError."""
    if hasattr(os, "pread"):
        return os.pread(fd, length, offset)
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, length)


def write_at(fd: int, data: bytes, offset: int) -> int:
    """As `os.pwrite`; see `read_at`."""
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, data, offset)
    os.lseek(fd, offset, os.SEEK_SET)
    return os.write(fd, data)


def lock(fd: int, *, shared: bool = False, wait: bool = False) -> None:
    """Lock the open file against other processes, until `unlock` or its end. Raises BlockingIOError where another one
    has it and `wait` is false, else OSError."""
    if IS_WINDOWS:
        _lock_bytes(fd, wait=wait)
        return
    fcntl = _module("fcntl")
    fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))


def unlock(fd: int) -> None:
    if IS_WINDOWS:
        msvcrt = _module("msvcrt")
        os.lseek(fd, _LOCKED_AT, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
        return
    fcntl = _module("fcntl")
    fcntl.flock(fd, fcntl.LOCK_UN)


def _lock_bytes(fd: int, *, wait: bool) -> None:
    """The C library waits for ten seconds at most; so it is asked again."""
    msvcrt = _module("msvcrt")
    while True:
        os.lseek(fd, _LOCKED_AT, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EDEADLK}:
                raise
            if not wait:
                raise BlockingIOError(errno.EWOULDBLOCK, "another process has it") from error
        else:
            return


def _module(name: str) -> Any:
    """Of the system that has it."""
    return importlib.import_module(name)
