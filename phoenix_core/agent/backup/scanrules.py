"""What a scan takes and leaves out, and what it counts."""

import os
from dataclasses import dataclass

from phoenix_core.agent.backup.mounts import Mounts
from phoenix_core.agent.backup.records import Amounts
from phoenix_core.agent.backup.ruleset import RuleSet
from phoenix_core.agent.backup.views import LIVE, Views


@dataclass
class ScanCounts:
    files: int = 0
    folders: int = 0
    others: int = 0
    bytes: int = 0
    """Sizes of all files, hard links once."""
    data_bytes: int = 0
    """The same, holes left out."""
    changed_files: int = 0
    changed_bytes: int = 0
    """Of the files to be read: their sizes, holes left out."""
    lost: int = 0

    def amounts(self) -> Amounts:
        """What the scan has met so far."""
        return Amounts(self.files, self.folders, self.others, self.bytes)

    def add(self, amounts: Amounts, data_bytes: int) -> None:
        """A folder with all that is in it."""
        self.files += amounts.files
        self.folders += amounts.folders
        self.others += amounts.others
        self.bytes += amounts.bytes
        self.data_bytes += data_bytes


@dataclass(frozen=True)
class ScanRules:
    """What is taken and what is left out."""

    content: RuleSet
    mounts: Mounts
    never: tuple[bytes, ...] = ()
    """Real paths of folders that are left out without a word."""
    views: Views = LIVE
    snapshots: frozenset[bytes] = frozenset()
    """Where snapshots lie that this agent made; left out without a word, too, but what they stand for is not."""

    def never_ids(self) -> frozenset[tuple[int, int]]:
        """Device and inode of those that are there, live and in snapshots."""
        found = map(_stat_or_none, {*self.never, *map(self.views.real, self.never)})
        return frozenset((status.st_dev, status.st_ino) for status in found if status)


def _stat_or_none(path: bytes) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
