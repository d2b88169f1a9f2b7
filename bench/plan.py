"""What is measured on each set of data, in which order."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.data.copies import COPIES, Copies
from bench.data.dataset import Dataset, same_amount
from bench.data.diskimage import DiskImage
from bench.data.smallfiles import SmallFiles
from bench.measure import Failed, Measured
from bench.tools.tool import Tool

FIRST, UNCHANGED, CHANGED, RESTORE, CHECK, PRUNE = "first", "unchanged", "1 % changed", "restore", "check", "prune"
ROWS = (FIRST, UNCHANGED, CHANGED, RESTORE, CHECK, PRUNE)
Keep = Callable[[str, Measured], None]


@dataclass(frozen=True)
class Part:
    """A set of data, and what is done with it."""

    data: Dataset
    rows: tuple[str, ...]
    snapshots: int = 0
    """Before every second one is dropped for the prune."""
    peers: tuple[str, ...] = ()
    """Only these; empty: all."""


def parts(scale: float) -> list[Part]:
    """`scale` 1: the sizes of the report."""
    return [
        Part(SmallFiles("a", int(108_000 * scale), 11_200, "small files"), ROWS, 20 if scale == 1 else 6),
        Part(DiskImage(int(4e9 * scale)), (FIRST, UNCHANGED, CHANGED, RESTORE, CHECK)),
        Part(Copies(int(5_000 * scale), 12_000), (FIRST, RESTORE, CHECK, PRUNE), COPIES),
        Part(
            SmallFiles("d", int(1_000_000 * scale), 3_000, "many files"),
            (FIRST, UNCHANGED, CHANGED, RESTORE, CHECK),
            peers=("kopia",),
        ),
    ]


def run_part(part: Part, tool: Tool, source: Path, work: Path, keep: Keep, *, only_first: bool = False) -> None:
    """All rows of one part with one tool, in a fresh repository below `work`, which is removed. Raises Failed."""
    work.mkdir(parents=True)
    tool.open(work)
    try:
        keep(FIRST, tool.backup(source))
        if not only_first:
            _rest(part, tool, source, work, keep)
    finally:
        tool.close()
        shutil.rmtree(work)


def _rest(part: Part, tool: Tool, source: Path, work: Path, keep: Keep) -> None:
    if UNCHANGED in part.rows:
        keep(UNCHANGED, tool.backup(source))
    if CHANGED in part.rows:
        part.data.change(source, 1)
        keep(CHANGED, tool.backup(source))
    if RESTORE in part.rows:
        target = work / "restored"
        target.mkdir()
        keep(RESTORE, tool.restore(target))
        if not same_amount(source, target):
            raise Failed(f"{tool.name} restored other files than it backed up")
        shutil.rmtree(target)
    if CHECK in part.rows:
        keep(CHECK, tool.check())
    if PRUNE in part.rows:
        _make_snapshots(part, tool, source)
        if len(tool.snapshots()) != part.snapshots:
            raise Failed(f"{tool.name} has {len(tool.snapshots())} snapshots, not {part.snapshots}")
        keep(PRUNE, tool.drop_half().then(tool.prune()))


def _make_snapshots(part: Part, tool: Tool, source: Path) -> None:
    """Up to the number wanted: each with 1 % changed since the last, or each of another copy."""
    if isinstance(part.data, Copies):
        for number in range(1, part.snapshots):
            tool.backup(part.data.copy(source, number))
        return
    for generation in range(2, part.snapshots - 1):
        part.data.change(source, generation)
        tool.backup(source)
