"""Sizes and times as people type them."""

import pytest

from phoenix_core.domain.quantities import parse_size, parse_time, typed_size, typed_time


@pytest.mark.parametrize(
    ("text", "count"), [("0", 0), ("17", 17), ("4K", 4096), ("10 MiB", 10 << 20), ("2gb", 2 << 30), ("1T", 1 << 40)]
)
def test_sizes_are_read(text: str, count: int) -> None:
    assert parse_size(text) == count
    assert parse_size(typed_size(count)) == count


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("90s", 90), ("30min", 1800), ("12h", 43_200), ("30d", 2_592_000), ("8w", 4_838_400)],
)
def test_times_are_read(text: str, seconds: int) -> None:
    assert parse_time(text) == seconds
    assert parse_time(typed_time(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "M", "-1", "1.5M", "10X", "1e9", "10 d d"])
def test_what_is_neither_is_refused(text: str) -> None:
    for parse in (parse_size, parse_time):
        with pytest.raises(ValueError, match="such as"):
            parse(text)
