"""`python -m bench.growth`: peak memory of agent and core as one folder, and one file, grow tenfold and fourfold; see
`make bench-memory`."""

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.data.dataset import same_amount
from bench.data.diskimage import DiskImage
from bench.data.one_folder import OneFolder
from bench.measure import Failed, Measured
from bench.memoryfolder import work_folder
from bench.page import MIB, machine, put_between, table_head, table_row, today
from bench.tools.phoenix import Phoenix

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"
JOBS = ("first", "unchanged", "restore", "check")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    options = parser.parse_args()
    scale = 0.1 if options.quick else 1
    lines = table_head(["peak memory of agent and core, MiB", *JOBS])
    with work_folder("") as folder:
        for data in (
            OneFolder(int(20_000 * scale)),
            OneFolder(int(200_000 * scale)),
            DiskImage(int(1e9 * scale)),
            DiskImage(int(4e9 * scale)),
        ):
            data.make(folder / "source")
            peaks = [f"{each.peak_bytes / MIB:.0f}" for each in _jobs(folder)]
            lines.append(table_row([data.title, *peaks]))
            print(lines[-1], flush=True)
            shutil.rmtree(folder / "source")
    if options.write:
        put_between(PAGE, BEGIN, END, "\n".join([f"{today()}, {machine()}.", "", *lines]))
    return 0


def _jobs(folder: Path) -> Iterator[Measured]:
    source, work = folder / "source", folder / "work"
    target = work / "restored"
    target.mkdir(parents=True)
    tool = Phoenix()
    try:
        tool.open(work)
        yield tool.backup(source)
        yield tool.backup(source)
        yield tool.restore(target)
        if not same_amount(source, target):
            raise Failed("other files were restored than backed up")
        yield tool.check()
    finally:
        tool.close()
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
