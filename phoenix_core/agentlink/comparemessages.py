"""What travels beside a restore's order and result where nothing is restored, but a snapshot compared with what is
there."""

import msgspec

from phoenix_core.agentlink.ruleorder import RuleOrder

COMPARE_DESTINATION = b"comparison"
"""As a RestoreOrder's destination: not absolute, so refused by whoever doesn't know comparisons."""


class CompareTerms(msgspec.Struct, frozen=True):
    """Beside a RestoreOrder, whose paths are compared. Sent only to agents that know `features.COMPARE`."""

    folder: bytes = b""
    """What is compared with the snapshot, with the full source path below it; empty: the original place."""
    content: bool = False
    """Read all files; else what has the same size and time counts as equal."""
    excludes: tuple[str, ...] = ()
    """Of all rules together, for agents that know no more: it is no difference that such a thing is there."""
    cross_mounts: bool = False
    rules: tuple[RuleOrder, ...] = ()
    """As in the order of the backup: what they leave out, and file systems that they don't go into, are no difference.
    None: the core knows no rules, or not which they were; then what `excludes` and `cross_mounts` say."""
    made_ns: int = 0
    """When the snapshot was made, which ages are counted from; 0: not told."""


class Difference(msgspec.Struct, frozen=True, array_like=True):
    """A path, in shown form, and how what is there differs from the snapshot."""

    path: str
    change: str
    """`added`: only there; `removed`: only in the snapshot; `content`, `metadata`, `type`."""
    size_before: int
    size_after: int
    what: str = ""
    """Of metadata: which, such as `mode, owner`."""


class CompareFindings(msgspec.Struct, frozen=True):
    """Beside a RestoreResult."""

    same: int = 0
    added: int = 0
    removed: int = 0
    content: int = 0
    metadata: int = 0
    type: int = 0
    not_compared: int = 0
    """Entries that could not be read, there or in the vault, or that lie below what the backup doesn't go into now; the
    result's `missing` names the first."""
    read_bytes: int = 0
    differences: tuple[Difference, ...] = ()
    """The first ten thousand, by path."""
