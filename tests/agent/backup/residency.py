"""Which pages of a file are in the page cache, seen by mincore(2); and files that are not."""

import ctypes
import mmap
import os
from pathlib import Path
from typing import Any

PAGE = mmap.PAGESIZE


def resident_pages(path: Path) -> list[bool]:
    """Of the file's pages, in order."""
    libc: Any = ctypes.CDLL(None, use_errno=True)
    size = path.stat().st_size
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), size) as mapped:
        pages = (ctypes.c_ubyte * -(-size // PAGE))()
        start = (ctypes.c_char * size).from_buffer(mapped)
        address = ctypes.addressof(start)
        failed = libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), pages)
        del start
        assert not failed, os.strerror(ctypes.get_errno())
        return [bool(page & 1) for page in pages]


def write_cold(path: Path, data: bytes) -> None:
    """Write a file and have the page cache let go of it."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def warm(path: Path, offset: int, length: int) -> None:
    """Bring these bytes into the page cache and, as far as the kernel can be held, nothing else."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        for at in range(offset, offset + length, PAGE):
            os.pread(fd, PAGE, at)
    finally:
        os.close(fd)
