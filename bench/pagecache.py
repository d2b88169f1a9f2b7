"""`python -m bench.pagecache`: how many pages of files are in memory before and after jobs of Phoenix that read them,
and after a program that reads them plainly; see `make bench-pagecache`.

The files lie on a disk, since a file system in memory keeps all its pages; the vault lies in memory."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Measured
from bench.memoryfolder import work_folder
from bench.page import MIB, machine, put_between, table_head, table_row, today
from bench.tools.phoenix import SERVER, Phoenix
from phoenix_core.domain.comparing import CompareRequest
from phoenix_core.domain.requests import RestoreRequest
from phoenix_core.domain.states import ConflictRule
from tests.agent.backup.residency import PAGE, resident_pages, warm, write_cold

PERFORMANCE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- pagecache: begin -->", "<!-- pagecache: end -->"
LARGE_BYTES = 256 * MIB
SMALL_BYTES = 20_000
SMALL_FILES = 2_000
MOMENTS = ("before", "after a backup", "after a comparison", "after a restore over them", "after `cat`")


@dataclass(frozen=True)
class Files:
    """Files of one sort, and how much of each is in the page cache at first."""

    title: str
    paths: tuple[Path, ...]
    size: int
    warm_bytes: int

    def make(self) -> None:
        for path in self.paths:
            path.write_bytes(os.urandom(self.size))
        os.sync()
        for path in self.paths:
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            warm(path, 0, self.warm_bytes)

    def resident(self) -> int:
        """Pages."""
        return sum(sum(resident_pages(path)) for path in self.paths)

    @property
    def pages(self) -> int:
        return len(self.paths) * -(-self.size // PAGE)


class Reading(Phoenix):
    """The jobs that read a server's files."""

    def compare(self) -> Measured:
        return self._job(lambda client: client.compare(CompareRequest(SERVER, content=True)))

    def restore_over(self) -> Measured:
        """Where the files lie: all are equal, which takes reading them."""
        wanted = RestoreRequest(SERVER, conflict=ConflictRule.OVERWRITE)
        return self._job(lambda client: client.restore(wanted))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pagecache", description=__doc__)
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="on a disk; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PERFORMANCE.name}")
    options = parser.parse_args()
    with work_folder(options.folder) as disk, work_folder("") as memory:
        write_cold(disk / "probe", bytes(PAGE))
        if any(resident_pages(disk / "probe")):
            print(f"{disk} keeps its pages in memory; name a folder on a disk with --folder")
            return 1
        source = disk / "source"
        source.mkdir()
        lines = _measure(source, memory / "work", 0.1 if options.quick else 1)
    print("\n".join(lines))
    if options.write:
        put_between(PERFORMANCE, BEGIN, END, "\n".join([f"{today()}, {machine()}.", "", *lines]))
    return 0


def _measure(source: Path, work: Path, scale: float) -> list[str]:
    sorts = _sorts(source, int(LARGE_BYTES * scale), int(SMALL_FILES * scale))
    work.mkdir()
    tool = Reading()
    try:
        tool.open(work)
        for each in sorts:
            each.make()
        moments = [_resident(sorts)]
        for job in (lambda: tool.backup(source), tool.compare, tool.restore_over, lambda: _read_plainly(sorts)):
            job()
            moments.append(_resident(sorts))
    finally:
        tool.close()
    rows = zip(sorts, *moments, strict=True)
    cells = ([sort.title, f"{sort.pages:,}", *(f"{count:,}" for count in counts)] for sort, *counts in rows)
    return [*table_head([f"pages of {PAGE} bytes in memory", "of", *MOMENTS]), *map(table_row, cells)]


def _sorts(source: Path, large_bytes: int, small_files: int) -> tuple[Files, ...]:
    def large(name: str, what: str, warm_bytes: int) -> Files:
        return Files(f"a file of {large_bytes // MIB} MiB, {what}", (source / name,), large_bytes, warm_bytes)

    def small(name: str, what: str, warm_bytes: int) -> Files:
        folder = source / name
        folder.mkdir()
        paths = tuple(folder / f"{number}" for number in range(small_files))
        return Files(f"{small_files:,} files of {SMALL_BYTES // 1000} kB, {what}", paths, SMALL_BYTES, warm_bytes)

    return (
        large("large cold", "not cached", 0),
        large("large half", "its first half cached", large_bytes // 2),
        large("large warm", "cached", large_bytes),
        small("small cold", "not cached", 0),
        small("small warm", "cached", SMALL_BYTES),
    )


def _resident(sorts: Sequence[Files]) -> list[int]:
    return [each.resident() for each in sorts]


def _read_plainly(sorts: Sequence[Files]) -> None:
    for each in sorts:
        for path in each.paths:
            with path.open("rb", buffering=0) as file:
                while file.read(MIB):
                    pass


if __name__ == "__main__":
    sys.exit(main())
