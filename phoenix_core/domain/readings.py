"""When all that is stored was last read and checked, and what may be said of it."""

from datetime import datetime, timedelta

import msgspec

from phoenix_core.domain.amounts import amount

LEEWAY = timedelta(days=2)
"""A run may be late, or wait for backups."""


class Readings(msgspec.Struct, frozen=True):
    """Of the packs that are in use."""

    unread: int
    """Packs that were not read since they were stored, or since the index was made anew."""
    oldest_at: datetime | None = None
    """Of the others: no one was read before this; None: there are none."""
    within_days: int = 0
    """Verify on schedule is to have each read once in so many days; 0: it reads none."""
    is_uncertain: bool = False
    """Some were read by a clock that was ahead, so that nobody knows when."""

    def is_within(self, now: datetime) -> bool:
        """Whether every pack is known to have been read in those days."""
        if self.unread or self.is_uncertain:
            return False
        return self.oldest_at is None or now - self.oldest_at <= timedelta(days=self.within_days)

    def is_late(self, now: datetime) -> bool:
        """Whether a pack waits for longer than it should; new ones are the background proof's."""
        if not self.within_days or self.oldest_at is None:
            return False
        return now - self.oldest_at > timedelta(days=self.within_days) + LEEWAY

    def text(self, now: datetime) -> str:
        """Such as `all within 30 days: yes, the oldest 12 days ago`."""
        if self.within_days:
            verdict = f"all within {self.within_days} days: {'yes' if self.is_within(now) else 'no'}"
        else:
            verdict = "not on schedule"
        return ", ".join((verdict, *self._details(now)))

    def _details(self, now: datetime) -> list[str]:
        found: list[str] = []
        if self.unread:
            found.append(f"{amount(self.unread, 'pack')} not read yet")
        if self.is_uncertain:
            found.append("some by a clock that was ahead")
        elif self.oldest_at is not None:
            days = max(0, (now - self.oldest_at).days)
            ago = f"{amount(days, 'day')} ago" if days else "today"
            found.append(f"the oldest {'of the others ' if self.unread else ''}{ago}")
        elif not self.unread:
            found.append("nothing is stored yet")
        return found
