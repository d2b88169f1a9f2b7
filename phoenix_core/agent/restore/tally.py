"""Counts what a restore did, and keeps the lists of what it could not do, the first thousand of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from phoenix_core.agent.restore.records import COMPLETE, MISSING, NOT_MADE, SKIPPED, WRITTEN, Item, Outcome
from phoenix_core.agentlink.messages import MissingFile
from phoenix_core.domain.names import shown

REPORTED_MAX = 1000
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
        elif outcome.state in {COMPLETE, SKIPPED}:
            self.skipped += 1
        elif outcome.state == MISSING:
            self.lose(item.path, outcome.reason)
        elif outcome.state == NOT_MADE:
            self.leave_out(item.path, [outcome.reason])
        if outcome.problems:
            self.leave_out(item.path, outcome.problems)
