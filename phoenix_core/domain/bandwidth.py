"""A bandwidth limit that may vary by the hour: lines such as `mon-fri 08:00-18:00 10M`, or `50M` for always."""

import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from phoenix_core.domain.hours import Hours

EXAMPLES = "`mon-fri 08:00-18:00 10M` or `50M`"
LEAST_BYTES_PER_S = 1 << 10
_LINE = re.compile(r"(?:(?P<hours>.*\S)\s+)?(?P<amount>\d+)\s*(?P<unit>[kmg]?)(?:i?b)?(?:/s)?")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Limits:
    """Of the lines that hold at a moment the first one counts; where none does, there is no limit."""

    def __init__(self, lines: Sequence[str], zone: ZoneInfo) -> None:
        """Raises ValueError with what is wrong with which line."""
        self._lines = [_parsed(line, zone) for line in lines]

    def __bool__(self) -> bool:
        return bool(self._lines)

    def at(self, moment: datetime) -> int:
        """Bytes a second; 0: no limit."""
        return next((rate for hours, rate in self._lines if hours.contain(moment)), 0)


def _parsed(line: str, zone: ZoneInfo) -> tuple[Hours, int]:
    match = _LINE.fullmatch(line.strip().lower())
    if match is None:
        raise ValueError(f"{line!r} is no limit such as {EXAMPLES}")
    rate = int(match["amount"]) * _UNITS[match["unit"]]
    if rate < LEAST_BYTES_PER_S:
        raise ValueError(f"{line!r} is less than 1K a second")
    try:
        return Hours((match["hours"],) if match["hours"] else (), zone), rate
    except ValueError as error:
        raise ValueError(f"{line!r} is no limit such as {EXAMPLES}") from error
