"""A backup leaves the server's page cache as it found it."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.agent.backup import pagecache
from phoenix_core.agent.backup.filereader import FileReader
from phoenix_core.agent.backup.records import ReadItem
from phoenix_core.agent.backup.windows import Windows
from phoenix_core.domain.patterns import Patterns
from phoenix_core.vault.entry import ChunkRef
from tests.agent.backup.residency import PAGE, in_every_round, needs_a_disk, resident_pages, warm, write_cold

MIB = 2**20
SLACK = 0.1
"""Of all pages: what the kernel had read ahead before it could be looked at."""


@pytest.fixture
def disk(source: Path) -> Path:
    """A folder on a file system whose pages can be dropped."""
    needs_a_disk(source)
    return source


def back_up(*paths: Path) -> None:
    reader = FileReader(lambda data: ChunkRef(bytes(32), len(data)), 7, Patterns(("*.img",)))
    for path in paths:
        size = path.stat().st_size
        result = reader.read(ReadItem(os.fsencode(path.parent), os.fsencode(path.name), size))
        assert result.read_bytes == size
    reader.close()


def test_small_files_that_were_not_cached_are_not_cached_afterwards(disk: Path) -> None:
    paths = [disk / f"{number}" for number in range(40)]
    for number, path in enumerate(paths):
        write_cold(path, os.urandom(1 + number * 6000))
    back_up(*paths)
    pages = [page for path in paths for page in resident_pages(path)]
    assert sum(pages) <= SLACK * len(pages)


@pytest.mark.parametrize("name", ["file", "disk.img"])
def test_a_large_file_that_was_not_cached_is_not_cached_afterwards(disk: Path, name: str) -> None:
    write_cold(disk / name, os.urandom(40 * MIB + 77))
    back_up(disk / name)
    pages = resident_pages(disk / name)
    assert sum(pages) <= SLACK * len(pages)


def test_cached_files_stay_cached_also_after_others(disk: Path) -> None:
    sizes = [1, 5 * PAGE, 300_000, 20 * MIB + 5]

    def lost() -> set[tuple[int, int]]:
        for size in sizes:
            write_cold(disk / f"cold {size}", os.urandom(size))
            write_cold(disk / f"cached {size}", os.urandom(size))
            warm(disk / f"cached {size}", 0, size)
        back_up(*(disk / f"{kind} {size}" for size in sizes for kind in ("cold", "cached")))
        return {
            (size, page)
            for size in sizes
            for page, resident in enumerate(resident_pages(disk / f"cached {size}"))
            if not resident
        }

    assert not in_every_round(lost)


@pytest.mark.parametrize("first", [0, 10 * MIB, 35 * MIB])
def test_of_a_file_that_is_cached_in_part_that_part_stays(disk: Path, first: int) -> None:
    path = disk / "log"

    def lost() -> set[tuple[int, int]]:
        write_cold(path, os.urandom(40 * MIB))
        warm(path, first, 3 * MIB)
        before = resident_pages(path)
        assert 0 < sum(before) < len(before) / 2
        back_up(path)
        after = resident_pages(path)
        assert sum(after) - sum(before) <= SLACK * len(after)
        return {(0, page) for page, was in enumerate(before) if was and not after[page]}

    assert not in_every_round(lost)


def test_a_read_that_is_given_up_leaves_nothing_behind(disk: Path) -> None:
    path = disk / "file"

    def full(data: memoryview) -> ChunkRef:
        raise RuntimeError("the storage is full")

    def left() -> set[tuple[int, int]]:
        """Without what the kernel was still reading ahead at that moment: it is left in some rounds only."""
        write_cold(path, os.urandom(20 * MIB))
        reader = FileReader(full, 7, Patterns(()))
        with pytest.raises(RuntimeError):
            reader.read(ReadItem(os.fsencode(disk), b"file", path.stat().st_size))
        reader.close()
        return {(0, page) for page, resident in enumerate(resident_pages(path)) if resident}

    assert not in_every_round(left)


def test_cached_files_cost_no_further_system_call(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = source / "file"
    path.write_bytes(os.urandom(3 * MIB))
    calls: list[int] = []
    preadv = os.preadv

    def counted(fd: int, buffers: Sequence[memoryview], offset: int, flags: int = 0) -> int:
        calls.append(offset)
        return preadv(fd, buffers, offset, flags)

    def never(*arguments: Any) -> None:
        raise AssertionError("cached files are neither looked at nor dropped")

    monkeypatch.setattr(os, "preadv", counted)
    monkeypatch.setattr(os, "posix_fadvise", never)
    monkeypatch.setattr(pagecache._Residency, "of", never)
    back_up(path)
    assert calls == [0, MIB, 2 * MIB]


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_such_reads_is_asked_once(
    source: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refused: list[int] = []
    preadv = os.preadv

    def refusing(fd: int, buffers: Sequence[memoryview], offset: int, flags: int = 0) -> int:
        if flags:
            refused.append(offset)
            raise OSError(number, os.strerror(number))
        return preadv(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", refusing)
    windows = Windows()
    for name in ("one", "two"):
        data = os.urandom(2 * MIB)
        (source / name).write_bytes(data)
        fd = os.open(source / name, os.O_RDONLY)
        windows.begin(fd, os.fstat(fd))
        held = b""
        while (window := windows.next()) is not None:
            held += window
        windows.finish()
        os.close(fd)
        assert held == data
    assert refused == [0]


def test_errors_of_the_disk_are_told(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source / "file").write_bytes(b"content")

    def broken(fd: int, buffers: Sequence[memoryview], offset: int, flags: int = 0) -> int:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "preadv", broken)
    reader = FileReader(lambda data: ChunkRef(bytes(32), len(data)), 7, Patterns(()))
    assert reader.read(ReadItem(os.fsencode(source), b"file", 7)).reason == "EIO"
    reader.close()
