"""`python -m bench.remote`: Phoenix with its vault on a storage node behind a line of 1 Gbit/s and 20 ms; see
`make bench-remote`. Needs root.

The line is a network namespace with a relay in it. Each run is set beside what the line carried of a plain socket's
bytes just before, and beside the same run with the vault on the core's host."""

import argparse
import os
import shutil
import signal
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from bench.data.dataset import same_amount
from bench.data.random_files import RandomFiles
from bench.data.smallfiles import SmallFiles
from bench.measure import Failed, Measured
from bench.page import machine, put_between, today
from bench.remote.farphoenix import FarPhoenix
from bench.remote.line import Line, Passed, long_line
from bench.remote.table import Row, Turn, table
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
            bench = _Bench(line, folder, rows, options.rounds)
            if "a" in options.parts:
                bench.incompressible(max(2, int(32 * scale)))
            if "b" in options.parts:
                bench.small_files(int(20_000 * scale))
                bench.small_files(int(100_000 * scale))
            if "c" in options.parts:
                bench.unchanged(int(10_000 * scale))
                bench.unchanged(int(100_000 * scale))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = table(rows)
    print(text)
    if options.write:
        put_between(
            PAGE,
            BEGIN,
            END,
            f"{today()}, {machine()}. Medians of {options.rounds} rounds, load {load} when it began.\n\n{text}",
        )
    return 0


class _Data(Protocol):
    def make(self, root: Path) -> None: ...


@dataclass(frozen=True)
class _Turn:
    """One round: each job on one host, and through the line."""

    local: list[Measured]
    far: list[tuple[Measured, Passed]]
    raw: list[float]

    def row(self, at: int) -> Turn:
        return Turn(self.far[at], self.local[at], self.raw[at] if at < len(self.raw) else None)


class _Bench:
    def __init__(self, line: Line, folder: Path, rows: list[Row], rounds: int) -> None:
        self._line = line
        self._folder = folder
        self._rows = rows
        self._rounds = rounds

    def incompressible(self, files: int) -> None:
        size = files * FILE_BYTES
        what = f"{size / 1e9:.2g} GB that doesn't compress"
        up = partial(self._line.raw_bytes_per_s, RAW_BYTES, up=True)
        down = partial(self._line.raw_bytes_per_s, RAW_BYTES, up=False)
        turns = self._turns(RandomFiles(files, FILE_BYTES), (up, down), restore=True)
        self._add(Row(f"first backup, {what}", size, [turn.row(0) for turn in turns]))
        self._add(Row(f"restore, {what}", size, [turn.row(1) for turn in turns]))

    def small_files(self, files: int) -> None:
        raw = partial(self._line.raw_bytes_per_s, RAW_BYTES, up=True)
        turns = self._turns(SmallFiles("a", files, 12_000, "small files"), (raw,))
        sent = round(statistics.median(turn.far[0][1].up_bytes for turn in turns))
        self._add(Row(f"first backup, {files:,} small files", sent, [turn.row(0) for turn in turns]))

    def unchanged(self, files: int) -> None:
        turns = self._turns(SmallFiles("d", files, 3_000, "small files"), (), again=True)
        self._add(Row(f"unchanged backup, {files:,} files", 0, [turn.row(1) for turn in turns]))

    def _turns(
        self, data: _Data, raw: Sequence[Callable[[], float]], *, again: bool = False, restore: bool = False
    ) -> list[_Turn]:
        """`raw`: what the line carries is measured anew just before each run through it. The two take turns in being
        first."""
        source = self._folder / "source"
        data.make(source)
        turns: list[_Turn] = []
        for number in range(self._rounds):
            local = [] if number % 2 else self._run(Phoenix(), source, again=again, restore=restore)
            rates = [measure() for measure in raw]
            tool = FarPhoenix(self._line)
            measured = self._run(tool, source, again=again, restore=restore)
            far = list(zip(measured, tool.passed, strict=True))
            turns.append(_Turn(local or self._run(Phoenix(), source, again=again, restore=restore), far, rates))
        shutil.rmtree(source)
        return turns

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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", default="abc", help="some of a (doesn't compress), b (small files), c (unchanged)")
    parser.add_argument("--folder", default="/dev/shm" if Path("/dev/shm").is_dir() else "/tmp")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        sys.exit(str(error))
