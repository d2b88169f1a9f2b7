"""What travels beside a restore's order and result where it is a drill."""

import msgspec


class DrillTerms(msgspec.Struct, frozen=True):
    """Beside a RestoreOrder: restore into a scratch place of the agent's own, check it, and remove it.

    Such an order names a destination that no agent takes, so that one of an earlier release, which doesn't know this,
    refuses it and restores nothing."""

    sample: str = ""
    """For the log: how the paths were chosen."""


class DrillFailure(msgspec.Struct, frozen=True):
    """A path of the snapshot, in shown form, and what is wrong with what was restored of it."""

    path: str
    what: str


class DrillFindings(msgspec.Struct, frozen=True):
    """Beside a RestoreResult: what a check of what was restored, byte for byte against the snapshot, found."""

    files: int = 0
    bytes: int = 0
    """Of the files that were read back."""
    others: int = 0
    """Folders, links and nodes."""
    failures: tuple[DrillFailure, ...] = ()
    """The first thousand."""
    failure_count: int = 0
    not_carried: tuple[DrillFailure, ...] = ()
    """Metadata that the scratch place can't carry, per path; the first thousand."""
    not_carried_count: int = 0
    seconds: float = 0.0


SCRATCH_DESTINATION = b"scratch"
"""As a RestoreOrder's destination: not absolute, so refused by whoever doesn't know drills."""
