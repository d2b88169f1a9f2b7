"""What of a timetable is due, where all up to some time was dealt with: clocks are set, and cores were away."""

from datetime import datetime, timedelta

import msgspec

from phoenix_core.engine.policies.timetable import Timetable

MISSED = timedelta(minutes=5)
"""Found this late, a run counts as missed."""
STEP_BACK = timedelta(hours=1)
"""A clock that is set back by less makes nothing run twice; by more, the timetable goes on from the new time."""


class Due(msgspec.Struct, frozen=True):
    at: datetime | None
    """The newest time that is due; those before it are made up for by the same run. None: nothing is."""
    missed: bool
    considered_until: datetime
    """Up to when all has been dealt with, once the run is started."""


def due_now(timetable: Timetable, considered_until: datetime, now: datetime) -> Due:
    """What of the timetable is due at `now`, where all up to `considered_until` has been dealt with."""
    if considered_until > now:
        far = considered_until - now > STEP_BACK
        return Due(at=None, missed=False, considered_until=now if far else considered_until)
    at = timetable.last_due(considered_until, now)
    if at is None:
        return Due(at=None, missed=False, considered_until=considered_until)
    return Due(at=at, missed=now - at > MISSED, considered_until=at)
