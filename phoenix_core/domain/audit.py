"""Entries of the audit log."""

from datetime import datetime

import msgspec


class AuditEntry(msgspec.Struct, frozen=True):
    """One thing that an operator did, or was refused."""

    id: str
    at: datetime
    who: str
    action: str
    """Such as `policy set`."""
    subject: str
    """What it was done to, by the name that was given."""
    detail: str = ""
    """The request's body, cut at 2,000 characters."""
    outcome: str = "done"
    """`done`, or the code of the error that it was answered with. A download has two entries: `begun` before the first
    byte goes out, and how it ended, which lacks where the core ended with it."""
