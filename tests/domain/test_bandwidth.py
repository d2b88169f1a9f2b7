"""Bandwidth limits by the hour."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from phoenix_core.domain.bandwidth import Limits

BERLIN = ZoneInfo("Europe/Berlin")
MIB = 1 << 20


def at(day: int, hour: int) -> datetime:
    return datetime(2024, 8, day, hour, tzinfo=BERLIN)  # 2024-08-01 is a Thursday


def test_the_first_line_that_holds_counts() -> None:
    limits = Limits(("mon-fri 08:00-18:00 10M", "22:00-23:00 1 GiB/s", "50M"), BERLIN)
    assert [limits.at(moment) for moment in (at(1, 9), at(1, 22), at(1, 19), at(3, 9))] == [
        10 * MIB,
        1024 * MIB,
        50 * MIB,
        50 * MIB,
    ]


def test_where_none_holds_there_is_no_limit() -> None:
    assert Limits(("mon-fri 08:00-18:00 10M",), BERLIN).at(at(3, 9)) == 0
    assert not Limits((), BERLIN)


@pytest.mark.parametrize("line", ["", "fast", "10X", "mon 10M", "moo 08:00-18:00 10M", "08:00-18:00", "100", "-5M"])
def test_a_line_that_can_t_be_is_named(line: str) -> None:
    with pytest.raises(ValueError, match=r"limit|less") as refused:
        Limits((line,), BERLIN)
    assert repr(line) in str(refused.value)
