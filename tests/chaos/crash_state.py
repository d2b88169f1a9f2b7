"""What a disk may hold after a power cut: all that was durable before, and of the rest any part, in any order."""

import os
import random
from collections.abc import Callable
from pathlib import Path

from tests.chaos.disk_log import PAGE, DiskLog, Inode, NameChange, Version

Chance = Callable[[NameChange], bool]
"""Whether a change of names that nothing made durable is on the disk all the same."""


class CrashState:
    """The state of a log's folder behind one event, made in another folder."""

    def __init__(self, log: DiskLog, cut: int, dice: random.Random, *, index_cut: int | None = None) -> None:
        """`index_cut`: for what lies in the folder `index`, a cut of its own."""
        self._log = log
        self._cut = cut
        self._index_cut = cut if index_cut is None else index_cut
        self._dice = dice
        self._on_disk = _chance(dice, cut)
        self._names: dict[Inode, dict[str, Inode]] = {}
        self._made: dict[Inode, Path] = {}

    def make(self, target: Path) -> None:
        """`target` is an empty folder."""
        index = self._index_inode()
        of_index = {index} if index else set()
        decided: dict[int, bool] = {}
        for change in self._log.changes:  # a folder's own changes come after it came
            if change.folder in of_index and change.inode is not None and change.inode.folder:
                of_index.add(change.inode)
            cut = self._index_cut if change.folder in of_index else self._cut
            if change.at > cut:
                continue
            durable = change.durable_at <= cut
            if not durable and not decided.setdefault(change.at, self._on_disk(change)):
                continue
            names = self._names.setdefault(change.folder, {})
            if change.inode is None:
                names.pop(change.name, None)
            else:
                names[change.name] = change.inode
        self._fill(self._log.top, target, in_index=False)

    def _index_inode(self) -> Inode | None:
        return next(
            (each.inode for each in self._log.changes if each.folder is self._log.top and each.name == "index"), None
        )

    def _fill(self, folder: Inode, target: Path, *, in_index: bool) -> None:
        for name, inode in self._names.get(folder, {}).items():
            path = target / name
            below_index = in_index or (folder is self._log.top and name == "index")
            if inode in self._made and not inode.folder:
                os.link(self._made[inode], path)
            elif inode.folder:
                path.mkdir(mode=0o700)
                self._fill(inode, path, in_index=below_index)
            else:
                path.write_bytes(self._content(inode, self._index_cut if below_index else self._cut))
                self._made[inode] = path

    def _content(self, inode: Inode, cut: int) -> bytes:
        pages: dict[int, bytes] = {}
        size = 0
        for version in inode.versions:
            if version.durable_at <= cut or (version.at <= cut and self._dice.random() < 0.2):
                pages |= version.pages
                size = version.size
            elif version.begun <= cut:
                size = self._torn(version, pages, size)
        data = bytearray(size)
        for number, page in pages.items():
            data[number * PAGE : number * PAGE + len(page)] = page[: max(0, size - number * PAGE)]
        return bytes(data[:size])

    def _torn(self, version: Version, pages: dict[int, bytes], size: int) -> int:
        """Some of the pages; returns the file's length."""
        part = self._dice.choice((0.0, 0.5, 0.9))
        for number in version.pages.keys() - version.last:
            if self._dice.random() < part:
                pages[number] = version.pages[number]
                size = max(size, min(version.size, (number + 1) * PAGE))
        return self._dice.choice((size, version.size)) if version.size > size and not version.last else size


def _chance(dice: random.Random, cut: int) -> Chance:
    """Either a file system that keeps the order of names, or one that doesn't."""
    if dice.random() < 0.4:
        end = dice.randint(max(0, cut - 40), cut)
        return lambda change: change.at <= end
    part = dice.choice((0.0, 0.3, 0.7))
    return lambda change: dice.random() < part
