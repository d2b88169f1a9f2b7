"""When backups are due: cron expressions or words, by the wall clock of a time zone.

Across a change to or from daylight-saving time it is as with Debian's cron: a time that the clock leaps over is due
right after the leap, a time that comes twice is due once; what is due every hour or minute goes by real time.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from phoenix_core.domain.hours import Hours
from phoenix_core.domain.policies import BackupPolicy

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_WORDS = re.compile(
    r"hourly(?: at :(?P<past>[0-5]\d))?"
    r"|daily at (?P<daily>\S+)"
    r"|weekly on (?P<days>[a-z, ]+?) at (?P<weekly>\S+)"
    r"|monthly on (?P<day>\d+|last) at (?P<monthly>\S+)"
)
RUNS_LOOKED_AT = 200
MINUTE = timedelta(minutes=1)
_NEVER = "{line!r} never comes: there is no such day"
EXAMPLES = (
    "`daily at 02:00`, `weekly on mon, thu at 21:30`, `monthly on last at 03:00`, `hourly at :15` or `0 2 * * 1-5`"
)


def same_times(one: BackupPolicy, other: BackupPolicy) -> bool:
    """Whether both policies are due at the same times. Where a change makes others, what they would have had due before
    it was never promised."""
    return (one.schedule, one.time_zone) == (other.schedule, other.time_zone)


class Timetable:
    """The union of a policy's lines."""

    def __init__(self, lines: Sequence[str], zone: ZoneInfo) -> None:
        """Raises ValueError with what is wrong with which line."""
        self._zone = zone
        self._crons = tuple(_cron(line) for line in lines)
        for line, cron in zip(lines, self._crons, strict=True):
            _check(line, cron)

    def due_after(self, moment: datetime) -> datetime | None:
        """The first time after `moment` (aware) that is due, in UTC; None without lines."""
        return min(
            (next(CronSim(cron, moment.astimezone(self._zone))).astimezone(UTC) for cron in self._crons), default=None
        )

    def runs(self, after: datetime) -> Iterator[datetime]:
        """All times after `after` that are due, in order, in UTC, each once; without end where there is a line."""
        moment = self.due_after(after)
        while moment is not None:
            yield moment
            moment = self.due_after(moment)

    def last_due(self, after: datetime, until: datetime) -> datetime | None:
        """The newest time that was due after `after` and is not after `until`."""
        newest: datetime | None = None
        for cron in self._crons:
            start = (until + timedelta(minutes=1)).astimezone(self._zone)
            found = next(CronSim(cron, start.replace(second=0, microsecond=0), reverse=True)).astimezone(UTC)
            if after < found <= until and (newest is None or found > newest):
                newest = found
        return newest


def runs_within(timetable: Timetable, window: Hours, after: datetime) -> Iterator[datetime]:
    """Those of its `runs` that the window is open at. Ends where none of so many looked at is one."""
    moment, looked_at = timetable.due_after(after), 0
    while moment is not None and looked_at < RUNS_LOOKED_AT:
        if window.contain(moment):
            yield moment
            moment, looked_at = timetable.due_after(moment), 0
        else:
            opens = window.begin_after(moment)
            moment, looked_at = timetable.due_after((opens or moment) - MINUTE), looked_at + 1


def _cron(line: str) -> str:
    """The five fields that a line stands for."""
    text = " ".join(line.lower().split())
    match = _WORDS.fullmatch(text)
    if match is None:
        return text
    if match["past"] is not None or text == "hourly":
        return f"{int(match['past'] or 0)} * * * *"
    hour, minute = _time(line, match["daily"] or match["weekly"] or match["monthly"])
    if match["daily"]:
        return f"{minute} {hour} * * *"
    if match["weekly"]:
        return f"{minute} {hour} * * {_days(line, match['days'])}"
    return f"{minute} {hour} {'L' if match['day'] == 'last' else match['day']} * *"


def _time(line: str, text: str) -> tuple[int, int]:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{line!r}: {text} is no time from 00:00 to 23:59")
    return int(match[1]), int(match[2])


def _days(line: str, text: str) -> str:
    numbers: list[str] = []
    for word in re.split(r"[, ]+(?:and )?", text.strip(", ")):
        found = [number for number, name in enumerate(_DAYS) if len(word) >= 2 and name.startswith(word)]
        if len(found) != 1:
            raise ValueError(f"{line!r}: {word} is no day of the week")
        numbers.append(str(found[0]))
    return ",".join(numbers)


def _check(line: str, cron: str) -> None:
    if len(cron.split()) != 5:
        raise ValueError(f"{line!r} is neither a cron expression of five fields nor one of such words as {EXAMPLES}")
    try:
        next(CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        day = cron.split()[2]
        if day.isdigit() and 1 <= int(day) <= 31:  # it is no day of the months that are named
            raise ValueError(_NEVER.format(line=line)) from error
        raise ValueError(f"{line!r}: {str(error).rstrip('.')}") from error
    except StopIteration:
        raise ValueError(_NEVER.format(line=line)) from None
