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
    unread_since: datetime | None = None
    """Of those that were not read: none was stored before this; None: there are none, or it isn't known."""
    damaged: int = 0
    """Packs beside these: damaged or lost."""

    def is_within(self, now: datetime) -> bool:
        """Whether all that is stored is known to have been read, and found sound, in those days."""
        if self.unread or self.is_uncertain or self.damaged:
            return False
        return self.oldest_at is None or now - self.oldest_at <= timedelta(days=self.within_days)

    def is_late(self, now: datetime) -> bool:
        """Whether a pack waits for longer than it should, to be read again or for the first time."""
        if not self.within_days:
            return False
        waiting = min(filter(None, (self.oldest_at, self.unread_since)), default=now)
        return now - waiting > timedelta(days=self.within_days) + LEEWAY

    def text(self, now: datetime) -> str:
        """Such as `all within 30 days: yes, the oldest 12 days ago`."""
        if self.within_days:
            verdict = f"all within {self.within_days} days: {'yes' if self.is_within(now) else 'no'}"
        else:
            verdict = "not on schedule"
        return ", ".join((verdict, *self._details(now)))

    def _details(self, now: datetime) -> list[str]:
        found: list[str] = []
        if self.damaged:
            found.append(f"{amount(self.damaged, 'pack')} damaged or lost")
        if self.unread:
            found.append(f"{amount(self.unread, 'pack')} not read yet{self._stored(now)}")
        if self.is_uncertain:
            found.append("some by a clock that was ahead")
        elif self.oldest_at is not None:
            of_others = "of the others " if self.unread or self.damaged else ""
            found.append(f"the oldest {of_others}{_ago(self.oldest_at, now)}")
        elif not (self.unread or self.damaged):
            found.append("nothing is stored yet")
        return found

    def _stored(self, now: datetime) -> str:
        if self.unread_since is None or now - self.unread_since < timedelta(days=1):
            return ""
        return f", the oldest stored {_ago(self.unread_since, now)}"


def _ago(time: datetime, now: datetime) -> str:
    days = max(0, (now - time).days)
    return f"{amount(days, 'day')} ago" if days else "today"
