"""Hours of the week, such as `mon-fri 20:00-06:00`: a backup window, or when a bandwidth limit holds.

By the wall clock of a time zone. Hours that end before they begin go on into the next day; `24:00` is a day's end.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXAMPLES = "`mon-fri 20:00-06:00`, `sat,sun 00:00-24:00` or `22:00-05:30`"
_LINE = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:-[a-z]{3})?(?:\s*,\s*[a-z]{3}(?:-[a-z]{3})?)*)\s+)?"
    r"(?P<start>\d{1,2}:\d{2})\s*-\s*(?P<end>\d{1,2}:\d{2})"
)
_WEEK_DAYS = 8


class Hours:
    """The union of some lines; without a line always."""

    def __init__(self, lines: Sequence[str], zone: ZoneInfo) -> None:
        """Raises ValueError with what is wrong with which line."""
        self._zone = zone
        self._lines = [_parsed(line) for line in lines]

    def contain(self, moment: datetime) -> bool:
        return not self._lines or any(start <= moment < end for start, end in self._spans(moment))

    def end_after(self, moment: datetime) -> datetime | None:
        """When the hours that hold at `moment` end, in UTC; None where they don't hold then, or never end."""
        if not self._lines or not self.contain(moment):
            return None
        spans = sorted(self._spans(moment))
        end = moment
        for start, other in spans:
            if start <= end < other:
                end = other
        return None if end - moment >= timedelta(days=7) else end.astimezone(UTC)

    def begin_after(self, moment: datetime) -> datetime | None:
        """When the hours of any line next begin, in UTC; None without a line."""
        return min((start for start, _ in self._spans(moment) if start > moment), default=None)

    def _spans(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Those of the days round about, in UTC."""
        today = moment.astimezone(self._zone).date()
        for days, start, end in self._lines:
            for ahead in range(-1, _WEEK_DAYS):
                day = today + timedelta(days=ahead)
                if day.weekday() in days:
                    yield self._at(day, start), self._at(day, end if end > start else end + 24 * 60)

    def _at(self, day: date, minute: int) -> datetime:
        moment = datetime.combine(day + timedelta(days=minute // (24 * 60)), time(), tzinfo=self._zone)
        return moment.replace(hour=minute // 60 % 24, minute=minute % 60).astimezone(UTC)


def _parsed(line: str) -> tuple[frozenset[int], int, int]:
    """Days of the week from Monday, and minutes of the day."""
    match = _LINE.fullmatch(line.strip().lower())
    if match is None:
        raise ValueError(f"{line!r} is no hours of the week such as {EXAMPLES}")
    start, end = _minute(line, match["start"]), _minute(line, match["end"])
    if start == end:
        raise ValueError(f"{line!r} begins and ends at once; all day is 00:00-24:00")
    return _days(line, match["days"]), start, end


def _minute(line: str, text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > 24 * 60:
        raise ValueError(f"{line!r}: {text} is no time from 00:00 to 24:00")
    return hour * 60 + minute


def _days(line: str, text: str | None) -> frozenset[int]:
    found: set[int] = set()
    for part in (text or "mon-sun").split(","):
        first, _, last = part.strip().partition("-")
        for word in (first, last or first):
            if word not in DAYS:
                raise ValueError(f"{line!r}: {word} is no day of the week such as mon")
        at, until = DAYS.index(first), DAYS.index(last or first)
        found.update((at + step) % 7 for step in range((until - at) % 7 + 1))
    return frozenset(found)
