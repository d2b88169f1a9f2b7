"""What is due, for clocks that are set and cores that were away."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from phoenix_core.engine.policies.due import Due, due_now
from phoenix_core.engine.policies.timetable import Timetable

NIGHTLY = Timetable(("daily at 02:00",), ZoneInfo("UTC"))
NIGHT = datetime(2024, 8, 2, 2, 0, tzinfo=UTC)


def test_a_run_is_due_once() -> None:
    before = NIGHT - timedelta(hours=5)
    assert due_now(NIGHTLY, before, NIGHT - timedelta(seconds=1)) == Due(None, missed=False, considered_until=before)
    due = due_now(NIGHTLY, before, NIGHT + timedelta(seconds=3))
    assert due == Due(NIGHT, missed=False, considered_until=NIGHT)
    assert due_now(NIGHTLY, due.considered_until, NIGHT + timedelta(seconds=4)).at is None


def test_runs_that_were_missed_are_made_up_for_by_one() -> None:
    due = due_now(NIGHTLY, NIGHT - timedelta(days=30), NIGHT + timedelta(hours=3))
    assert due == Due(NIGHT, missed=True, considered_until=NIGHT)


def test_a_clock_that_is_set_back_a_little_makes_nothing_run_twice() -> None:
    due = due_now(NIGHTLY, NIGHT, NIGHT - timedelta(minutes=30))
    assert due == Due(None, missed=False, considered_until=NIGHT)


def test_a_clock_that_is_set_back_far_does_not_stop_the_schedule() -> None:
    now = NIGHT - timedelta(days=30, hours=1)
    due = due_now(NIGHTLY, NIGHT, now)
    assert due == Due(None, missed=False, considered_until=now)
    assert due_now(NIGHTLY, due.considered_until, now + timedelta(hours=1)).at == NIGHT - timedelta(days=30)
