"""Hours of the week."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from phoenix_core.domain.hours import Hours

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTS = Hours(("mon-fri 20:00-06:00", "sat,sun 00:00-24:00"), BERLIN)


def at(day: int, hour: int, minute: int = 0, month: int = 8) -> datetime:
    return datetime(2024, month, day, hour, minute, tzinfo=BERLIN)  # 2024-08-01 is a Thursday


@pytest.mark.parametrize(
    ("moment", "held"),
    [
        (at(1, 19, 59), False),
        (at(1, 20), True),
        (at(2, 5, 59), True),
        (at(2, 6), False),
        (at(2, 23), True),
        (at(3, 12), True),
        (at(4, 23, 59), True),
        (at(5, 0), False),
        (at(5, 3), False),
        (at(5, 20), True),
    ],
)
def test_a_moment_is_in_them_or_not(moment: datetime, held: bool) -> None:
    assert NIGHTS.contain(moment) is held


def test_the_end_is_that_of_all_that_follow_without_a_gap() -> None:
    assert NIGHTS.end_after(at(1, 21)) == at(2, 6)
    assert NIGHTS.end_after(at(2, 21)) == at(5, 0)
    assert NIGHTS.end_after(at(2, 12)) is None


def test_without_a_line_they_hold_always() -> None:
    hours = Hours((), BERLIN)
    assert hours.contain(at(1, 12))
    assert hours.end_after(at(1, 12)) is None


def test_all_day_every_day_never_ends() -> None:
    assert Hours(("00:00-24:00",), BERLIN).end_after(at(1, 12)) is None
    assert Hours(("12:00-11:00", "10:00-13:00"), BERLIN).end_after(at(1, 12)) is None


def test_they_go_by_the_wall_clock_across_the_change() -> None:
    hours = Hours(("22:00-05:00",), BERLIN)
    assert hours.end_after(at(30, 23, month=3)) == datetime(2024, 3, 31, 3, 0, tzinfo=UTC)
    assert hours.end_after(at(26, 23, month=10)) == datetime(2024, 10, 27, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "no hours"),
        ("always", "no hours"),
        ("mon-fri", "no hours"),
        ("moo 20:00-06:00", "moo is no day"),
        ("mon-moo 20:00-06:00", "moo is no day"),
        ("25:00-26:00", "25:00 is no time"),
        ("20:60-21:00", "20:60 is no time"),
        ("20:00-20:00", "begins and ends at once"),
    ],
)
def test_a_line_that_can_t_be_is_named(line: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        Hours((line,), BERLIN)
    assert repr(line) in str(refused.value)


def test_days_may_go_across_the_week_s_end() -> None:
    hours = Hours(("sat-mon 10:00-11:00",), BERLIN)
    assert [day for day in range(1, 8) if hours.contain(at(day, 10, 30))] == [3, 4, 5]
