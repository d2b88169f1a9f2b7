"""What a comparison found: counts of all, and the first of what differs and of what could not be compared."""

from collections import Counter
from dataclasses import dataclass, field

from phoenix_core.agentlink.comparemessages import CompareFindings, Difference
from phoenix_core.agentlink.reports import MissingFile, RestoreResult
from phoenix_core.domain.changes import Change
from phoenix_core.domain.names import shown

LISTED_MAX = 10_000
LISTED_BYTES = 4 * 2**20
"""Of paths: a result travels as one message."""
UNREAD_MAX = 1000
SAME = "same"
COUNTED = (SAME, *Change)


@dataclass
class Findings:
    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(COUNTED, 0)))
    listed: list[Difference] = field(default_factory=list)
    unread: list[MissingFile] = field(default_factory=list)
    not_compared: int = 0
    read_bytes: int = 0
    _listed_bytes: int = 0

    def add(self, path: bytes, change: str, before: int = 0, after: int = 0, what: str = "") -> None:
        self.counts[change] += 1
        if change == SAME or len(self.listed) >= LISTED_MAX or self._listed_bytes >= LISTED_BYTES:
            return
        text = shown(path)
        self._listed_bytes += len(text)
        self.listed.append(Difference(text, change, before, after, what))

    def cannot_compare(self, path: bytes, reason: str) -> None:
        """Nothing is known of an entry, and of all below it."""
        self.not_compared += 1
        if len(self.unread) < UNREAD_MAX:
            self.unread.append(MissingFile(shown(path), reason))

    def result(self) -> RestoreResult:
        found = CompareFindings(
            **{name: self.counts[name] for name in COUNTED},
            not_compared=self.not_compared,
            read_bytes=self.read_bytes,
            differences=tuple(self.listed),
        )
        return RestoreResult(missing=tuple(self.unread), missing_count=self.not_compared, compare=found)
