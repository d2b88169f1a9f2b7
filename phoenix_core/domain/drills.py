"""Restore drills: how much of a snapshot is restored to a scratch place and checked, and what came of it."""

import re
from datetime import datetime
from enum import StrEnum

import msgspec

from phoenix_core.domain.views import MissingView

FILES_MAX = 10_000
DEFAULT_SAMPLE = "100"
DEFAULT_MAX_BYTES = 1 << 30
ALL = "all"
_SAMPLE = re.compile(r"(?P<files>\d+)(?: files?)?|(?P<amount>\d+)\s*(?P<unit>[kmgt])(?:i?b)?")
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class Sample(msgspec.Struct, frozen=True):
    """How much of a snapshot."""

    files: int = 0
    """At most so many; 0 with no limit of bytes: everything."""
    bytes: int = 0
    """Of file data at most; 0: no limit."""

    @property
    def is_all(self) -> bool:
        return not self.files


def parse_sample(text: str, max_bytes: int = 0) -> Sample:
    """`100` or `100 files`; `2G`: as many files as that holds; `all`. Raises ValueError."""
    word = text.strip().lower()
    if word == ALL:
        return Sample()
    match = _SAMPLE.fullmatch(word)
    files = int(match["files"]) if match and match["files"] else FILES_MAX
    if match is None or not 1 <= files <= FILES_MAX:
        raise ValueError(f"{text!r} is no number of files from 1 to {FILES_MAX}, no size such as 2G, and not {ALL}")
    wanted = int(match["amount"]) * _UNITS[match["unit"]] if match["amount"] else 0
    return Sample(files, min(filter(None, (wanted, max_bytes)), default=0))


class DrillOutcome(StrEnum):
    PROVED = "proved"
    """All that was taken was restored, and is what the snapshot says."""
    FAILED = "failed"
    """Something could not be restored, or is not what the snapshot says."""
    BROKEN_OFF = "broken_off"
    """It came to no verdict: there was no space, or it was cancelled, or the agent was lost."""


class DrillRequest(msgspec.Struct, frozen=True):
    server: str
    """The server whose data it is; name or id."""
    snapshot: str = "latest"
    sample: str = ""
    """As `parse_sample` takes it; empty: as the server's policy says, else 100 files."""
    max_bytes: int = -1
    """Of a sample at most; -1: as the server's policy says, else 1 GiB; 0: no limit."""
    on: str = ""
    """The server whose agent restores; empty: as the server's policy says, else the server itself."""


class DrillView(msgspec.Struct, frozen=True):
    """What came of one drill; it stays when its job and its snapshot are gone."""

    id: str
    """Its job's."""
    server_id: str
    server_name: str
    agent_name: str
    """The server whose agent restored."""
    snapshot_id: str
    snapshot_at: datetime
    ended_at: datetime
    outcome: DrillOutcome
    requested_by: str
    sample: str
    """Such as `100 files, at most 1.0 GiB` or `all`."""
    seed: str
    """From which the sample was chosen at random; the same snapshot, sample and seed give the same files."""
    files: int = 0
    """Restored and checked."""
    bytes: int = 0
    others: int = 0
    """Folders, links and other entries that were checked."""
    failure_count: int = 0
    failures: tuple[MissingView, ...] = ()
    """The first hundred, with what is wrong with each."""
    not_carried_count: int = 0
    """Entries of which the scratch place can't carry all metadata, such as owners where the agent isn't root."""
    detail: str = ""
    """Why it was broken off."""
