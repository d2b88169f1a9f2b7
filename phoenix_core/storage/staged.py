"""A file on its way into a local store: copied or reflinked, hashed from our own copy, then published."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Self

from blake3 import blake3

from phoenix_core.storage.durable import DurableFolders, publish, told, write_all
from phoenix_core.storage.objectstore import checked_name

FICLONE = 0x40049409
"""ioctl of linux/fs.h: share the extents of another file (Btrfs, XFS, bcachefs)."""
BUFFER_BYTES = 1 << 20
_NOT_HERE = {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY, errno.EBADF, errno.ETXTBSY}


class StagedFile:
    """A temporary file in the store's own file system; see `objectstore.StagedObject`."""

    def __init__(self, root: Path, temporary: Path, folders: DurableFolders) -> None:
        """`folders`: those of the store, whose folder is `root`."""
        self._root = root
        self._folders = folders
        self._temporary = temporary
        self._hash = blake3()
        self._hashed = True
        self._length = 0
        with told("Writing", temporary.name, str(root)):
            self._fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)

    @property
    def length(self) -> int:
        return self._length

    def write(self, data: bytes | memoryview) -> None:
        with told("Writing", self._temporary.name, str(self._root)):
            write_all(self._fd, data)
        self._hash.update(data)
        self._length += memoryview(data).nbytes

    def copy_from(self, fd: int, length: int) -> None:
        with told("Copying", self._temporary.name, str(self._root)):
            if self._length == 0 and (self._clone(fd, length) or self._copy_in_kernel(fd, length)):
                self._length = os.fstat(self._fd).st_size
                self._hashed = False
                return
            self._copy_by_buffer(fd, length)

    def digest(self) -> bytes:
        if not self._hashed:
            self._hash = blake3()
            buffer = memoryview(bytearray(BUFFER_BYTES))
            at = 0
            with told("Reading", self._temporary.name, str(self._root)):
                while got := os.preadv(self._fd, [buffer], at):  # not mapped: a bad disk must not kill the process
                    self._hash.update(buffer[:got])
                    at += got
            self._hashed = True
        return self._hash.digest()

    def pread(self, length: int, offset: int) -> bytes:
        with told("Reading", self._temporary.name, str(self._root)):
            return os.pread(self._fd, length, offset)

    def commit(self, name: str, *, replace: bool = False) -> bool:
        final = self._root / checked_name(name)
        with told("Writing", name, str(self._root)):
            os.fsync(self._fd)
            self._folders.need(final.parent)
            published = publish(self._temporary, final, replace=replace)
        self._close()
        return published

    def discard(self) -> None:
        if self._fd < 0:
            return
        try:
            with told("Deleting", self._temporary.name, str(self._root)):
                self._temporary.unlink(missing_ok=True)
        finally:
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _clone(self, fd: int, length: int) -> bool:
        try:
            fcntl.ioctl(self._fd, FICLONE, fd)
        except OSError as error:
            if error.errno in _NOT_HERE:
                return False
            raise
        if os.fstat(self._fd).st_size != length:
            os.ftruncate(self._fd, length)
        return True

    def _copy_in_kernel(self, fd: int, length: int) -> bool:
        at = 0
        while at < length:
            try:
                copied = os.copy_file_range(fd, self._fd, length - at, at, at)
            except OSError as error:
                if error.errno in _NOT_HERE and at == 0:
                    return False
                raise
            if copied == 0:
                break
            at += copied
        return at > 0 or length == 0

    def _copy_by_buffer(self, fd: int, length: int) -> None:
        buffer = memoryview(bytearray(min(BUFFER_BYTES, max(length, 1))))
        at = 0
        while at < length:
            got = os.preadv(fd, [buffer[: min(len(buffer), length - at)]], at)
            if got == 0:
                break
            self.write(buffer[:got])
            at += got
