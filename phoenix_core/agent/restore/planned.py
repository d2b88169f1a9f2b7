"""What a plan leaves: its counts, and its records."""

from dataclasses import dataclass

from phoenix_core.agent.backup.spool import Spool
from phoenix_core.agent.restore.records import FileRecord, FolderRecord, LatePut


@dataclass
class PlanCounts:
    files: int = 0
    folders: int = 0
    others: int = 0
    bytes: int = 0
    """Sizes of all files, hard links once."""
    data_bytes: int = 0
    """The same without holes: what is to be read from storage, at most."""
    skipped: int = 0
    """Folders that the conflict rule keeps out, each counted as one entry."""


@dataclass
class Records:
    """The plan's lists."""

    files: Spool[FileRecord]
    folders: Spool[FolderRecord]
    late: Spool[LatePut]
