"""When a policy's schedule is due."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.domain.hours import Hours
from phoenix_core.engine.policies.timetable import Timetable, runs_within

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
TOKYO = ZoneInfo("Asia/Tokyo")


def berlin(*fields: int, fold: int = 0) -> datetime:
    return datetime(*fields, tzinfo=BERLIN, fold=fold)  # type: ignore[arg-type, misc]


def runs(line: str, after: datetime, count: int, zone: ZoneInfo = BERLIN) -> list[str]:
    found = islice(Timetable((line,), zone).runs(after), count)
    return [run.astimezone(zone).strftime("%a %m-%d %H:%M") for run in found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("daily at 02:00", ["Thu 08-01 02:00", "Fri 08-02 02:00"]),
        ("Daily  at 2:00", ["Thu 08-01 02:00", "Fri 08-02 02:00"]),
        ("weekly on sunday at 21:30", ["Sun 08-04 21:30", "Sun 08-11 21:30"]),
        ("weekly on mon, thu at 21:30", ["Thu 08-01 21:30", "Mon 08-05 21:30"]),
        ("weekly on mon and thu at 21:30", ["Thu 08-01 21:30", "Mon 08-05 21:30"]),
        ("monthly on 15 at 00:10", ["Thu 08-15 00:10", "Sun 09-15 00:10"]),
        ("monthly on last at 03:00", ["Sat 08-31 03:00", "Mon 09-30 03:00"]),
        ("hourly", ["Thu 08-01 01:00", "Thu 08-01 02:00"]),
        ("hourly at :15", ["Thu 08-01 00:15", "Thu 08-01 01:15"]),
        ("0 2 * * 1-5", ["Thu 08-01 02:00", "Fri 08-02 02:00"]),
        ("*/30 22 * * *", ["Thu 08-01 22:00", "Thu 08-01 22:30"]),
    ],
)
def test_lines_of_words_and_of_cron(line: str, expected: list[str]) -> None:
    assert runs(line, berlin(2024, 8, 1, 0, 0), 2) == expected


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "neither a cron expression"),
        ("at noon", "neither a cron expression"),
        ("* * * * * *", "neither a cron expression"),
        ("daily at 24:00", "24:00 is no time"),
        ("daily at noon", "noon is no time"),
        ("weekly on someday at 02:00", "someday is no day"),
        ("weekly on t at 02:00", "t is no day"),
        ("61 * * * *", "minute"),
        ("0 0 30 2 *", "never comes"),
        ("monthly on 32 at 02:00", "day"),
    ],
)
def test_a_line_that_can_t_be_is_named(line: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        Timetable(("daily at 01:00", line), BERLIN)
    assert repr(line) in str(refused.value)


def test_several_lines_come_in_order_and_once() -> None:
    timetable = Timetable(("daily at 02:00", "0 */2 * * *"), BERLIN)
    found = [run.astimezone(BERLIN).hour for run in islice(timetable.runs(berlin(2024, 8, 1, 0, 0)), 3)]
    assert found == [2, 4, 6]


def test_without_a_line_nothing_is_due() -> None:
    timetable = Timetable((), BERLIN)
    assert timetable.due_after(berlin(2024, 8, 1)) is None
    assert list(timetable.runs(berlin(2024, 8, 1))) == []
    assert timetable.last_due(berlin(2000, 1, 1), berlin(2024, 8, 1)) is None


def test_what_is_leapt_over_in_spring_is_due_right_after() -> None:
    # 2024-03-31 02:00 CET becomes 03:00 CEST
    assert runs("daily at 02:30", berlin(2024, 3, 30, 12, 0), 3) == [
        "Sun 03-31 03:00",
        "Mon 04-01 02:30",
        "Tue 04-02 02:30",
    ]


def test_what_comes_twice_in_autumn_is_due_once() -> None:
    # 2024-10-27 03:00 CEST becomes 02:00 CET
    assert runs("daily at 02:30", berlin(2024, 10, 26, 12, 0), 3) == [
        "Sun 10-27 02:30",
        "Mon 10-28 02:30",
        "Tue 10-29 02:30",
    ]


def test_hourly_goes_by_real_time_across_the_change() -> None:
    timetable = Timetable(("hourly",), BERLIN)
    found = list(islice(timetable.runs(berlin(2024, 10, 27, 0, 30)), 5))
    assert [later - earlier for earlier, later in pairwise(found)] == [timedelta(hours=1)] * 4


@pytest.mark.parametrize("line", ["hourly at :15", "*/30 * * * *", "daily at 02:30", "*/20 1-3 * * *"])
@pytest.mark.parametrize("day", [berlin(2024, 3, 30, 22, 0), berlin(2024, 10, 26, 22, 0)], ids=["spring", "autumn"])
def test_each_run_is_found_in_its_own_minute_across_the_change(line: str, day: datetime) -> None:
    timetable = Timetable((line,), BERLIN)
    before = day.astimezone(UTC)
    for run in islice(timetable.runs(day), 20):
        assert timetable.last_due(before, run + timedelta(seconds=20)) == run
        before = run


LINES = st.sampled_from(
    [
        "daily at 02:30",
        "hourly at :15",
        "weekly on sun at 02:00",
        "*/20 1-3 * * *",
        "monthly on last at 02:30",
        "0 2 * * 1-5",
    ]
)
MINUTES = st.integers(0, 3 * 366 * 24 * 60)


@given(
    st.lists(LINES, min_size=1, max_size=3), st.sampled_from([BERLIN, NEW_YORK, TOKYO]), MINUTES, st.integers(0, 4000)
)
def test_the_last_due_is_the_last_of_those_that_come(
    lines: list[str], zone: ZoneInfo, start: int, minutes: int
) -> None:
    after = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=start)
    until = after + timedelta(minutes=minutes)
    timetable = Timetable(lines, zone)
    last = None
    for run in timetable.runs(after):
        if run > until:
            break
        last = run
    assert timetable.last_due(after, until) == last


@pytest.mark.parametrize(
    ("line", "hours", "expected"),
    [
        ("*/30 * * * *", "sat,sun 00:00-24:00", ["Sat 08-03 00:00", "Sat 08-03 00:30"]),
        ("hourly", "22:30-00:30", ["Thu 08-01 00:00", "Thu 08-01 23:00"]),
        ("monthly on last at 03:00", "sun 02:00-04:00", ["Sun 08-31 03:00", "Sun 11-30 03:00"]),
        ("0 3 29 2 *", "sun 02:00-04:00", ["Sun 02-29 03:00", "Sun 02-29 03:00"]),
        ("daily at 12:00", "02:00-04:00", []),
        ("*/30 * * * *", "03:10-03:20", []),
    ],
)
def test_runs_within_a_window(line: str, hours: str, expected: list[str]) -> None:
    window = Hours((hours,), BERLIN)
    found = list(islice(runs_within(Timetable((line,), BERLIN), window, berlin(2024, 7, 31, 23, 59)), 2))
    assert [run.astimezone(BERLIN).strftime("%a %m-%d %H:%M") for run in found] == expected


@given(st.lists(LINES, min_size=1, max_size=3), st.sampled_from([BERLIN, NEW_YORK, TOKYO]), MINUTES)
def test_runs_within_a_window_are_those_that_it_contains(lines: list[str], zone: ZoneInfo, start: int) -> None:
    window = Hours(("mon-fri 01:10-02:40", "sun 22:00-04:00"), zone)
    after = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=start)
    timetable = Timetable(lines, zone)
    found = list(islice(runs_within(timetable, window, after), 3))
    end = after + timedelta(weeks=3) if not found else found[-1]
    assert found[:3] == list(islice((run for run in _until(timetable, after, end) if window.contain(run)), 3))


def _until(timetable: Timetable, after: datetime, end: datetime) -> Iterator[datetime]:
    for run in timetable.runs(after):
        if run > end:
            return
        yield run
