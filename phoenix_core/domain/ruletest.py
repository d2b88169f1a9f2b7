"""A test of content rules at a server: what is asked, and what comes back."""

import msgspec

from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.policies import ContentRule


class RuleTestRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What would these rules, together, take of a server? None of them need be kept anywhere."""

    server: str
    """Name or id."""
    rules: tuple[ContentRule, ...]
    show: str = "all"
    """Which entries are listed: `all`, `in`, `out` or `none`. All are counted."""


class RuleVerdict(msgspec.Struct, frozen=True):
    """Whether an entry would be backed up, and why."""

    path: str
    type: str
    """`file`, `folder`, `link`, or `other`; empty: it could not be looked at."""
    taken: bool
    size: int = 0
    """A file's, in bytes."""
    rule: str = ""
    """Name of the rule that decided; empty: none did, it is so by itself."""
    field: str = ""
    """Its field that decided, such as `excludes`; without a rule why it is left out, such as `own_data`."""
    value: str = ""
    """What in the field decided, such as the pattern."""


class RuleTestReason(msgspec.Struct, frozen=True):
    """How much was left out for one reason. Of a folder that is left out nothing below it is looked at or counted."""

    rule: str
    field: str
    value: str
    entries: int
    bytes: int
    """Sizes of the files among them."""


class RuleTestSummary(msgspec.Struct, frozen=True):
    """What a test of rules found, in all."""

    server_name: str
    files: int = 0
    folders: int = 0
    others: int = 0
    bytes: int = 0
    """Sizes of the files that are taken; hard links once."""
    left_out: tuple[RuleTestReason, ...] = ()
    """The most frequent first."""
    notes: tuple[str, ...] = ()
    """What else is to be said, such as a path that is not there."""


class RuleTestLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a test's answer: some verdicts, or last the summary or what ended it."""

    verdicts: tuple[RuleVerdict, ...] = ()
    summary: RuleTestSummary | None = None
    error: ErrorView | None = None
