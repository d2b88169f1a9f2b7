"""Which restore points stay."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.domain.policies import Retention
from phoenix_core.engine.policies.retention import RestorePoint, plan

ZONE = ZoneInfo("UTC")
START = datetime(2024, 1, 1, 2, 0, tzinfo=UTC)  # a Monday


def point(
    number: int, at: datetime, *, readable: bool = True, paths: tuple[str, ...] = ("/srv",), handed: bool = False
) -> RestorePoint:
    return RestorePoint(f"{number:04}", "s1", paths, at, number, readable, handed=handed)


def nightly(count: int) -> list[RestorePoint]:
    return [point(number, START + timedelta(days=number)) for number in range(count)]


def staying(points: Sequence[RestorePoint], retention: Retention, zone: ZoneInfo = ZONE) -> list[int]:
    return sorted(verdict.point.sequence for verdict in plan(points, retention, zone) if verdict.stays)


def test_without_a_retention_all_stay() -> None:
    assert staying(nightly(5), Retention()) == [0, 1, 2, 3, 4]


def test_the_last_ones_stay() -> None:
    assert staying(nightly(10), Retention(last=3)) == [7, 8, 9]


def test_the_newest_of_each_day_stays() -> None:
    points = [point(number, START + timedelta(hours=8 * number)) for number in range(9)]  # three a day
    assert staying(points, Retention(daily=2)) == [5, 8]


def test_weeks_months_and_years_stay_beside_days() -> None:
    points = nightly(400)  # to 2025-02-03, a Monday
    kept = staying(points, Retention(daily=3, weekly=2, monthly=3, yearly=2))
    days = [(START + timedelta(days=number)).strftime("%Y-%m-%d") for number in kept]
    assert days == ["2024-12-31", "2025-01-31", "2025-02-01", "2025-02-02", "2025-02-03"]


def test_days_go_by_the_policy_s_time_zone() -> None:
    points = [point(0, datetime(2024, 1, 1, 20, 0, tzinfo=UTC)), point(1, datetime(2024, 1, 1, 22, 0, tzinfo=UTC))]
    assert staying(points, Retention(daily=2)) == [1]
    assert staying(points, Retention(daily=2), ZoneInfo("Europe/Helsinki")) == [0, 1]  # 22:00 and 00:00 there


def test_the_reasons_are_told() -> None:
    verdicts = plan(nightly(3), Retention(last=2, daily=1), ZONE)
    assert [verdict.reasons for verdict in verdicts] == [("newest", "last 1", "daily 1"), ("last 2",), ()]


def test_a_lost_one_neither_goes_nor_stands_in_for_another() -> None:
    points = [*nightly(2), point(2, START + timedelta(days=2), readable=False)]
    verdicts = {verdict.point.sequence: verdict.reasons for verdict in plan(points, Retention(last=1), ZONE)}
    assert verdicts == {2: ("lost",), 1: ("newest", "last 1"), 0: ()}


def test_backups_of_other_paths_are_counted_apart() -> None:
    points = [*nightly(3), *(point(10 + number, START + timedelta(days=5), paths=("/etc",)) for number in range(2))]
    assert staying(points, Retention(last=1)) == [2, 11]


def handed_over(*hours: int, first: int = 0) -> list[RestorePoint]:
    return [point(first + at, START + timedelta(hours=hour), handed=True) for at, hour in enumerate(hours)]


def test_of_what_an_agent_hands_over_by_itself_all_of_the_last_days_stay() -> None:
    nightly_dumps, flood = (0, 24, 48), range(50, 60)
    points = handed_over(*nightly_dumps, *flood)
    assert staying(points, Retention(last=3)) == list(range(13))
    assert staying([*points, *handed_over(72, 73, first=13)], Retention(last=3)) == list(range(1, 15))
    reasons = [verdict.reasons for verdict in plan(handed_over(0, 24, 25), Retention(last=2), ZONE)]
    assert reasons == [("newest", "last 1 (by day)"), ("last 1 (by day)",), ("last 2 (by day)",)]


def test_those_days_go_by_the_policy_s_time_zone_too() -> None:
    points = handed_over(-6, -4)  # 20:00 and 22:00 UTC, which is midnight in Helsinki
    assert staying(points, Retention(last=1)) == [0, 1]
    assert staying(points, Retention(last=1), ZoneInfo("Europe/Helsinki")) == [1]


def test_what_an_agent_hands_over_by_itself_pushes_out_nothing_that_was_ordered() -> None:
    ordered = nightly(4)
    flood = handed_over(*range(1, 90), first=10)
    retention = Retention(last=2, daily=3, weekly=1)
    assert set(staying(ordered, retention)) <= set(staying([*ordered, *flood], retention))
    assert [each for each in staying([*ordered, *flood], retention) if each < 10] == staying(ordered, retention)


RETENTIONS = st.builds(
    Retention,
    last=st.integers(0, 5),
    daily=st.integers(0, 5),
    weekly=st.integers(0, 5),
    monthly=st.integers(0, 5),
    yearly=st.integers(0, 3),
)
HOURS = st.lists(st.integers(0, 24 * 800), min_size=1, max_size=40)


@given(RETENTIONS, HOURS)
def test_the_newest_always_stays_whatever_the_clock_did(retention: Retention, hours: list[int]) -> None:
    points = [point(number, START + timedelta(hours=hour)) for number, hour in enumerate(hours)]
    assert len(points) - 1 in staying(points, retention)


@given(RETENTIONS, HOURS)
def test_what_went_is_not_missed_when_the_rest_is_looked_at_again(retention: Retention, hours: list[int]) -> None:
    points = [point(number, START + timedelta(hours=hour)) for number, hour in enumerate(sorted(hours))]
    kept = staying(points, retention)
    assert staying([each for each in points if each.sequence in kept], retention) == kept


@pytest.mark.parametrize("rule", [Retention(daily=7), Retention(weekly=2), Retention(monthly=2), Retention(yearly=2)])
def test_a_dump_handed_over_later_pushes_the_first_of_its_period_out_of_none(rule: Retention) -> None:
    good, worthless = handed_over(1, 3)
    verdicts = {verdict.point.id: verdict.reasons for verdict in plan([good, worthless], rule, ZONE)}
    (reason,) = verdicts[good.id]
    assert reason.endswith(" 1 (first)")
    ordered = [msgspec.structs.replace(each, handed=False) for each in (good, worthless)]
    assert not {verdict.point.id: verdict for verdict in plan(ordered, rule, ZONE)}[good.id].stays


@given(last=st.integers(1, 5), days=st.lists(st.integers(0, 60), min_size=1, max_size=8, unique=True), hours=HOURS)
def test_no_number_of_dumps_that_are_handed_over_on_a_day_pushes_out_those_before(
    last: int, days: list[int], hours: list[int]
) -> None:
    good = handed_over(*(24 * day for day in sorted(days)))
    flood = handed_over(*(24 * max(days) + hour % 22 for hour in sorted(hours)), first=len(good))
    kept = set(staying(good, Retention(last=last)))
    assert kept <= set(staying([*good, *flood], Retention(last=last)))


@pytest.mark.parametrize("days", [30, -30])
@given(hours=HOURS)
def test_a_jump_of_the_clock_removes_no_more_than_its_own_place(days: int, hours: list[int]) -> None:
    """One backup dated thirty days ahead or back costs at most one of those that are counted by days."""
    points = [point(number, START + timedelta(hours=hour)) for number, hour in enumerate(sorted(hours))]
    jumped = [*points, point(len(points), points[-1].recorded_at + timedelta(days=days))]
    before = set(staying(points, Retention(daily=5)))
    after = set(staying(jumped, Retention(daily=5)))
    assert len(before - after) <= 1
    assert len(points) in after
