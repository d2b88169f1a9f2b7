"""When what is to be told at once becomes a message: soon, but joined with what comes at the same time, and in ever
larger gaps while more and more does, so that a hundred failures are a few mails."""

from collections.abc import Sequence
from datetime import datetime, timedelta

LOOKED_BACK = timedelta(hours=2)
GAP_MAX_S = 3600.0


def due_at(oldest: datetime, earlier: Sequence[datetime], now: datetime, join_s: float, gap_s: float) -> datetime:
    """When the notices that wait, the oldest of them since `oldest`, go into a message. `earlier`: when the channel's
    messages of the last two hours were made. A clock that was set back holds nothing up for longer than the gap."""
    due = min(oldest, now) + timedelta(seconds=join_s)
    recent = [each for each in earlier if now - LOOKED_BACK < each <= now]
    if recent:
        gap = min(gap_s * 2.0 ** (len(recent) - 1), max(GAP_MAX_S, gap_s))
        due = max(due, recent[-1] + timedelta(seconds=gap))
    return due
