"""What is said of when packs were last read and checked."""

from datetime import UTC, datetime, timedelta

from phoenix_core.domain.readings import Readings

NOW = datetime(2030, 6, 1, tzinfo=UTC)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def test_packs_that_were_read_in_time_are_told() -> None:
    readings = Readings(0, ago(12), 30)
    assert readings.text(NOW) == "all within 30 days: yes, the oldest 12 days ago"
    assert not readings.is_late(NOW)


def test_packs_that_wait_too_long_to_be_read_again_are_late() -> None:
    assert Readings(0, ago(33), 30).is_late(NOW)
    assert not Readings(0, ago(31), 30).is_late(NOW)  # a run may be late
    assert not Readings(0, ago(33), 0).is_late(NOW)


def test_packs_that_were_never_read_are_late_as_well() -> None:
    never = Readings(3, None, 30, unread_since=ago(33))
    assert never.is_late(NOW)
    assert never.text(NOW) == "all within 30 days: no, 3 packs not read yet, the oldest stored 33 days ago"
    assert Readings(3, ago(1), 30, unread_since=ago(33)).is_late(NOW)
    new = Readings(3, ago(1), 30, unread_since=ago(0.1))
    assert not new.is_late(NOW)
    assert new.text(NOW) == "all within 30 days: no, 3 packs not read yet, the oldest of the others 1 day ago"


def test_an_empty_vault_is_within_any_time() -> None:
    assert Readings(0, None, 30).text(NOW) == "all within 30 days: yes, nothing is stored yet"


def test_damage_is_no_yes() -> None:
    assert Readings(0, None, 30, damaged=2).text(NOW) == "all within 30 days: no, 2 packs damaged or lost"
    some = Readings(0, ago(3), 30, damaged=1)
    assert some.text(NOW) == "all within 30 days: no, 1 pack damaged or lost, the oldest of the others 3 days ago"
