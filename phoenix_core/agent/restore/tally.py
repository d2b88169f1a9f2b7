"""Counts what a restore did, and keeps the lists of what it could not do, the first thousand of each."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from phoenix_core.agent.restore.records import COMPLETE, MISSING, NOT_MADE, SKIPPED, WRITTEN, Item, Outcome, join
from phoenix_core.agentlink.reports import MissingFile
from phoenix_core.domain.displaced import FOLDER_REMOVED, LINK_REPLACED, RENAMED
from phoenix_core.domain.names import shown

REPORTED_MAX = 1000
DISPLACED_MAX = 100
REPORTED_CHARACTERS = 2**20
"""Of all paths in a list: a report must fit into one message, whatever the paths' lengths."""


class Listed:
    """Paths with what is to be said of each: all are counted, the first thousand kept."""

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[MissingFile] = []
        self._left = REPORTED_CHARACTERS

    def add(self, path: bytes, what: str) -> None:
        self.count += 1
        if len(self.kept) < REPORTED_MAX and self._left > 0:
            each = MissingFile(path=shown(path), reason=what)
            self._left -= len(each.path) + len(each.reason)
            if self._left >= 0:
                self.kept.append(each)


@dataclass
class Displaced:
    """What is at the destination and gives way without being named by what is restored, and what stands under another
    name than its own. Paths are those at the destination."""

    root: bytes = b"/"
    """The destination."""
    folders: Listed = field(default_factory=Listed)
    """Folders that held something, removed for what isn't a folder."""
    entries: int = 0
    """All that was below them."""
    links: Listed = field(default_factory=Listed)
    """Replaced by folders."""
    renamed: Listed = field(default_factory=Listed)

    def add_folder(self, path: bytes, entries: int) -> None:
        """`path` is below the destination, here and below."""
        self.folders.add(self._full(path), f"{FOLDER_REMOVED}: {entries}")
        self.entries += entries

    def add_link(self, path: bytes, target: bytes) -> None:
        self.links.add(self._full(path), f"{LINK_REPLACED}: {shown(target)}")

    def add_renamed(self, path: bytes, name: bytes) -> None:
        self.renamed.add(self._full(path), f"{RENAMED}: {shown(name)}")

    @property
    def listed(self) -> tuple[MissingFile, ...]:
        """The first hundred of each kind."""
        return tuple(each for some in (self.folders, self.links, self.renamed) for each in some.kept[:DISPLACED_MAX])

    def _full(self, path: bytes) -> bytes:
        return os.path.join(self.root, path)


@dataclass
class Tally:
    files: int = 0
    others: int = 0
    file_bytes: int = 0
    """Sizes of the files written, hard links once."""
    skipped: int = 0
    done: int = 0
    """Entries that are through, whatever became of them."""
    missing: Listed = field(default_factory=Listed)
    not_applied: Listed = field(default_factory=Listed)
    displaced: Displaced = field(default_factory=Displaced)

    def lose(self, path: bytes, reason: str) -> None:
        self.missing.add(path, reason)

    def leave_out(self, path: bytes, what: Sequence[str]) -> None:
        """Metadata that was not applied, or a node that was not made."""
        self.not_applied.add(path, ", ".join(what))

    def add_written(self, files: int, others: int, file_bytes: int) -> None:
        """Entries of which there is nothing to say but that they were written."""
        self.done += files + others
        self.files += files
        self.others += others
        self.file_bytes += file_bytes

    def add(self, item: Item, outcome: Outcome, *, is_link: bool = False) -> None:
        self.done += 1
        if outcome.state == WRITTEN:
            self.files += item.entry.is_file
            self.others += not item.entry.is_file
            if item.entry.is_file and not is_link:
                self.file_bytes += item.entry.size
            self._displace(item, outcome)
        elif outcome.state in {COMPLETE, SKIPPED}:
            self.skipped += 1
        elif outcome.state == MISSING:
            self.lose(item.path, outcome.reason)
        elif outcome.state == NOT_MADE:
            self.leave_out(item.path, [outcome.reason])
        if outcome.problems:
            self.leave_out(item.path, outcome.problems)

    def _displace(self, item: Item, outcome: Outcome) -> None:
        place = join(item.folder, item.entry.name)
        if outcome.removed_entries:
            self.displaced.add_folder(place, outcome.removed_entries)
        if outcome.name not in {b"", item.entry.name}:
            self.displaced.add_renamed(place, outcome.name)
