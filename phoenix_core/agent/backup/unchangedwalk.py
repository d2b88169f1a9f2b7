"""Finds folders in which nothing differs from the parent's trees, the last ones first.

It decides less than the scan: what it isn't sure of (hard links, mount points, folders that no backup enters, trees
that it can't read) differs, and the scan looks for itself."""

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from phoenix_core.agent.backup.aheadmessages import Unchanged
from phoenix_core.agent.backup.folders import listing, open_folder_in, open_path
from phoenix_core.agent.backup.marks import CACHE_TAG, half_restored, holds, is_own
from phoenix_core.agent.backup.metadata import TYPES
from phoenix_core.agent.backup.parenttree import is_same_file, is_unchanged
from phoenix_core.agent.backup.records import Amounts, join
from phoenix_core.agent.backup.ruleset import NOBODY
from phoenix_core.agent.backup.scanrules import ScanRules
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.vault.entry import Entry, EntryType

DEPTH_MAX = 200
"""One descriptor each; what is deeper differs."""
TOLD_FROM = 128
"""A folder with so much in it is told at once, before it is known whether the one above is unchanged, too."""
HELD_MAX = 64
ReadTree = Callable[[bytes], Iterable[Entry]]


@dataclass(slots=True)
class _Folder:
    path: bytes
    tree: bytes
    fd: int
    device: int
    same: bool
    to_visit: list[Entry]
    """Folders that the parent has here, by name."""
    files: int = 0
    folders: int = 1
    others: int = 0
    bytes: int = 0
    data_bytes: int = 0
    held: list[Unchanged] = field(default_factory=list)
    """Unchanged folders below that weren't told."""


class UnchangedWalk:
    def __init__(
        self, read_tree: ReadTree, rules: ScanRules, tell: Callable[[list[Unchanged]], None], tick: Callable[[], bool]
    ) -> None:
        """`read_tree` gives a folder's entries in the parent. `tell` is told what is unchanged; `tick` is called for
        each folder: true ends the walk."""
        self._read_tree = read_tree
        self._rules = rules
        self._tell = tell
        self._tick = tick
        self._never_ids = rules.never_ids()
        self._on_the_way = {path[:at] for path in rules.never for at in range(len(path)) if path[at : at + 1] == b"/"}
        self._takers = NOBODY
        self._stack: list[_Folder] = []

    def run(self, path: bytes, tree: bytes, rules: int = 1) -> None:
        """`rules`: which content rules hold there. Raises what `tell` and `tick` raise."""
        self._takers = self._rules.content.at(rules)
        try:
            with suppress(OSError):
                way = open_path(self._rules.views.real(path))
                try:
                    self._enter(open_folder_in(way, b"."), path, tree, None)
                finally:
                    os.close(way)
            while self._stack and not self._tick():
                folder = self._stack[-1]
                if folder.to_visit:
                    self._visit(folder, folder.to_visit.pop())
                else:
                    self._leave()
        finally:
            for folder in self._stack:
                os.close(folder.fd)
            self._stack.clear()

    def _visit(self, above: _Folder, known: Entry) -> None:
        path = join(above.path, known.name)
        try:
            status = os.lstat(known.name, dir_fd=above.fd)
            fd = open_folder_in(above.fd, known.name) if self._may_enter(path, status, above.device) else -1
        except OSError:
            fd = -1
        if fd < 0 or not self._enter(fd, path, known.tree, known):
            above.same = False

    def _may_enter(self, path: bytes, status: os.stat_result, device: int) -> bool:
        apart = (status.st_dev, status.st_ino) in self._never_ids or path in self._rules.never
        apart = apart or status.st_dev != device or self._rules.mounts.is_point(path)
        apart = apart or self._rules.views.begins(path) is not None
        return stat.S_ISDIR(status.st_mode) and not apart and len(self._stack) < DEPTH_MAX

    def _enter(self, fd: int, path: bytes, tree: bytes, known: Entry | None) -> bool:
        """Compare what is in an open folder, but for what is below; false where nothing can be said of it."""
        try:
            status = os.fstat(fd)
            names = listing(fd)
            if self._is_apart(fd, names):
                os.close(fd)
                return False
            entries = list(self._read_tree(tree))
            same = [entry.name for entry in entries] == names and path not in self._on_the_way
            same = same and not self._excludes_some(path, names, entries)
            if known is not None:
                same = same and not known.partial and is_unchanged(known, status)
            folder = _Folder(path, tree, fd, status.st_dev, same, [each for each in entries if each.is_directory])
            self._compare(folder, entries)
        except (OSError, PhoenixError):
            os.close(fd)
            return False
        self._stack.append(folder)
        return True

    def _is_apart(self, fd: int, names: list[bytes]) -> bool:
        """Whether other rules may hold in the folder, or none."""
        cache = self._takers.skips_caches and holds(names, CACHE_TAG)
        return cache or is_own(fd, names) or bool(half_restored(names))

    def _excludes_some(self, path: bytes, names: list[bytes], entries: list[Entry]) -> bool:
        suspects = self._rules.content.sieve.suspects(path, names)
        return bool(suspects) and any(
            self._rules.content.excludes_path(join(path, entry.name), is_folder=entry.is_directory)
            for entry in entries
            if entry.name in suspects
        )

    def _compare(self, folder: _Folder, entries: list[Entry]) -> None:
        for entry in entries:
            if not folder.same:
                return
            if entry.is_directory:
                continue
            status = os.lstat(entry.name, dir_fd=folder.fd)
            if entry.type is EntryType.FILE:
                folder.same = is_same_file(entry, status, folder.device) and not (
                    self._takers.filters
                    and self._takers.objection(folder.path, entry.name, status.st_size, status.st_mtime_ns)
                )
                folder.files += 1
                folder.bytes += entry.size
                folder.data_bytes += min(entry.size, status.st_blocks * 512)
            else:
                same_type = entry.type is TYPES[stat.S_IFMT(status.st_mode)]
                folder.same = same_type and status.st_nlink == 1 and is_unchanged(entry, status)
                folder.others += 1

    def _leave(self) -> None:
        folder = self._stack.pop()
        os.close(folder.fd)
        above = self._stack[-1] if self._stack else None
        if not folder.same:
            if above is not None:
                above.same = False
            self._tell_held(folder)
            return
        amounts = Amounts(folder.files, folder.folders, folder.others, folder.bytes)
        found = Unchanged(folder.path, folder.tree, amounts, folder.data_bytes)
        if above is None or folder.files + folder.others >= TOLD_FROM:
            self._tell([found])
        else:
            above.held.append(found)
        if above is not None:
            above.files += folder.files
            above.folders += folder.folders
            above.others += folder.others
            above.bytes += folder.bytes
            above.data_bytes += folder.data_bytes
            if len(above.held) >= HELD_MAX:
                self._tell_held(above)

    def _tell_held(self, folder: _Folder) -> None:
        if folder.held:
            self._tell(folder.held)
            folder.held = []
