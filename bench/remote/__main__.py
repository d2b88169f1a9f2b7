"""`python -m bench.remote`: Phoenix with its vault on a storage node behind a line of 1 Gbit/s and 20 ms; see
`make bench-remote`. Needs root.

The line is a network namespace with a relay in it. Each run is set beside what the line carried of a plain socket's
bytes just before, and beside the same run with the vault on the core's host."""

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from bench.data.dataset import same_amount
from bench.data.random_files import RandomFiles
from bench.data.smallfiles import SmallFiles
from bench.measure import Failed, Measured
from bench.page import machine, put_between
from bench.remote.farphoenix import FarPhoenix
from bench.remote.line import Line, Passed, long_line
from bench.remote.table import Row, table
from bench.tools.phoenix import Phoenix

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- remote: begin -->", "<!-- remote: end -->"
RAW_BYTES = 500_000_000
FILE_BYTES = 32_000_000


def main() -> int:
    options = _options()
    if os.geteuid() != 0:
        print("A network namespace can only be made by root.")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = Path(options.folder) / f"phoenix-remote-{os.getpid()}"
    scale = 0.1 if options.quick else 1
    rows: list[Row] = []
    load = f"{os.getloadavg()[0]:.1f}"
    try:
        with long_line() as line:
            bench = _Bench(line, folder, rows)
            if "a" in options.parts:
                bench.incompressible(max(2, int(32 * scale)))
            if "b" in options.parts:
                bench.small_files(int(20_000 * scale))
            if "c" in options.parts:
                bench.unchanged(int(10_000 * scale))
                bench.unchanged(int(100_000 * scale))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = table(rows)
    print(text)
    if options.write:
        put_between(
            PAGE, BEGIN, END, f"{machine()}. One round at nice {os.nice(0)}, load {load} when it began.\n\n{text}"
        )
    return 0


class _Bench:
    def __init__(self, line: Line, folder: Path, rows: list[Row]) -> None:
        self._line = line
        self._folder = folder
        self._rows = rows

    def incompressible(self, files: int) -> None:
        data = RandomFiles(files, FILE_BYTES)
        source = self._folder / "source"
        data.make(source)
        size = files * FILE_BYTES
        what = f"{size / 1e9:.2g} GB that doesn't compress"
        local = self._local(source, restore=True)
        raw_up = self._line.raw_bytes_per_s(RAW_BYTES, up=True)
        raw_down = self._line.raw_bytes_per_s(RAW_BYTES, up=False)
        far = self._far(source, restore=True)
        self._add(Row(f"first backup, {what}", size, far[0], raw_up, local[0]))
        self._add(Row(f"restore, {what}", size, far[1], raw_down, local[1]))
        shutil.rmtree(source)

    def small_files(self, files: int) -> None:
        data = SmallFiles("a", files, 12_000, "small files")
        source = self._folder / "source"
        data.make(source)
        local = self._local(source)
        raw = self._line.raw_bytes_per_s(RAW_BYTES, up=True)
        far = self._far(source)
        self._add(Row(f"first backup, {files:,} small files", far[0][1].up_bytes, far[0], raw, local[0]))
        shutil.rmtree(source)

    def unchanged(self, files: int) -> None:
        data = SmallFiles("d", files, 3_000, "small files")
        source = self._folder / "source"
        data.make(source)
        local = self._local(source, again=True)
        far = self._far(source, again=True)
        self._add(Row(f"unchanged backup, {files:,} files", 0, far[1], None, local[1]))
        shutil.rmtree(source)

    def _local(self, source: Path, *, again: bool = False, restore: bool = False) -> list[Measured]:
        return self._run(Phoenix(), source, again=again, restore=restore)

    def _far(self, source: Path, *, again: bool = False, restore: bool = False) -> list[tuple[Measured, Passed]]:
        tool = FarPhoenix(self._line)
        measured = self._run(tool, source, again=again, restore=restore)
        return list(zip(measured, tool.passed, strict=True))

    def _run(self, tool: Phoenix, source: Path, *, again: bool, restore: bool) -> list[Measured]:
        work = self._folder / "work"
        work.mkdir(parents=True)
        try:
            tool.open(work)
            taken = [tool.backup(source)]
            if again:
                taken.append(tool.backup(source))
            if restore:
                target = work / "restored"
                target.mkdir()
                taken.append(tool.restore(target))
                if not same_amount(source, target):
                    raise Failed("other files were restored than backed up")
            return taken
        finally:
            tool.close()
            shutil.rmtree(work)

    def _add(self, row: Row) -> None:
        self._rows.append(row)
        print(row.as_markdown(), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.remote", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data")
    parser.add_argument("--parts", default="abc", help="some of a (doesn't compress), b (small files), c (unchanged)")
    parser.add_argument("--folder", default="/dev/shm" if Path("/dev/shm").is_dir() else "/tmp")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        sys.exit(str(error))
