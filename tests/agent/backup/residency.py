"""Which pages of a file are in the page cache, seen by mincore(2); and files that are not."""

import ctypes
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = mmap.PAGESIZE
ROUNDS = 10
"""A kernel under load lets go of single pages by itself, of files that nobody reads too, and can't drop what it is
still reading ahead: what a job does to a page it does in every round."""
Pages = set[tuple[int, int]]
"""Each by a file's number and its own."""


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


def needs_a_disk(folder: Path) -> None:
    """Skips the test where the folder's file system keeps all its pages."""
    write_cold(folder / "probe", os.urandom(PAGE))
    if any(resident_pages(folder / "probe")):
        pytest.skip("the temporary folder's file system keeps its pages in memory (tmpfs)")
    (folder / "probe").unlink()


def in_every_round(pages_of: Callable[[], Pages]) -> Pages:
    pages = pages_of()
    for _ in range(ROUNDS - 1):
        if not pages:
            break
        pages &= pages_of()
    return pages
