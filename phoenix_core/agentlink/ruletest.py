"""The messages of a test of content rules: the core orders it, the agent answers page by page."""

import msgspec

from phoenix_core.agentlink.messages import Message
from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.agentlink.sourcesnapshots import SourceSnapshotOrder
from phoenix_core.domain.errors import ErrorView


class RuleTestOrder(Message, frozen=True):
    """Core → agent: say what a backup by these rules would take. Sent only to agents that know `features.RULES`."""

    test: str
    rules: tuple[RuleOrder, ...]
    never_write_under: tuple[bytes, ...] = ()
    """As in `BackupOrder`."""
    show: str = "all"
    """Which verdicts are wanted: `all`, `in`, `out` or `none`."""
    nice: int = 0
    core_time_ns: int = 0
    source_snapshot: SourceSnapshotOrder | None = None
    """As a backup's order would have it: what it would mean is told in the notes."""


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """See `domain.ruletest.RuleVerdict`."""

    path: bytes
    type: str
    taken: bool
    size: int
    rule: str
    field: str
    value: str


class LeftOut(msgspec.Struct, frozen=True, array_like=True):
    """See `domain.ruletest.RuleTestReason`."""

    rule: str
    field: str
    value: str
    entries: int
    bytes: int


class RuleTestTotals(msgspec.Struct, frozen=True, omit_defaults=True):
    """See `domain.ruletest.RuleTestSummary`."""

    files: int = 0
    folders: int = 0
    others: int = 0
    bytes: int = 0
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


class RuleTestPage(Message, frozen=True):
    """Agent → core: verdicts in the order of the walk. The next page follows once this one was answered."""

    number: int
    test: str
    page: int
    """From 1; one that is sent again after a lost connection has the same."""
    verdicts: tuple[Verdict, ...] = ()
    totals: RuleTestTotals | None = None
    """With the last page."""
    error: ErrorView | None = None
    """What ended the test; no page follows."""


class RuleTestAnswer(Message, frozen=True):
    """Core → agent: the page was taken."""

    number: int
    go_on: bool = True
    """False: nobody wants the rest."""
    error: ErrorView | None = None
