"""Numbers and times as the operator reads them: binary sizes, the operator's own time zone."""

from datetime import UTC, datetime, timedelta, tzinfo

import humanize

from phoenix_core.domain.clock import Clock
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_tui.i18n import _, ngettext

_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86400
NOTHING = "–"


class Formats:
    """Times as the operator sees them. `zone` None: the machine's."""

    def __init__(self, clock: Clock, zone: tzinfo | None = None) -> None:
        self._clock = clock
        self._zone = zone

    @property
    def zone(self) -> tzinfo | None:
        return self._zone

    def now(self) -> datetime:
        return self._clock.now()

    def local(self, when: datetime) -> datetime:
        return when.astimezone(self._zone)

    def clock(self) -> str:
        """The time of day with its zone, such as `21:02 CET`."""
        return self.local(self.now()).strftime("%H:%M %Z")

    def time(self, when: datetime | None) -> str:
        """For tables, 12 characters at most: the time today, else the day with it, else the date."""
        if when is None:
            return NOTHING
        local, today = self.local(when), self.local(self.now())
        if local.date() == today.date():
            return local.strftime("%H:%M:%S")
        if local.year == today.year or today - local < timedelta(days=180):
            return f"{local.strftime('%b')} {local.day:2d} {local.strftime('%H:%M')}"
        return local.strftime("%Y-%m-%d")

    def moment(self, when: datetime | None) -> str:
        """In full, with the zone: `2026-11-23 21:02:11 CET`."""
        return NOTHING if when is None else self.local(when).strftime("%Y-%m-%d %H:%M:%S %Z")

    def ago(self, when: datetime | None) -> str:
        if when is None:
            return _("never")
        seconds = (self.now() - when).total_seconds()
        return _("just now") if seconds < 5 else _("{span} ago").format(span=span(seconds))

    def since(self, started: datetime | None, finished: datetime | None) -> float | None:
        """Seconds from start to end, or to now where it hasn't ended; None where it hasn't begun."""
        if started is None:
            return None
        return max(0.0, ((finished or self.now()) - started).total_seconds())


def size(count: float) -> str:
    """Bytes: `1.2 GiB`."""
    if count < 1024:
        return f"{int(count)} B"
    return humanize.naturalsize(count, binary=True)


def rate(bytes_per_s: float) -> str:
    return f"{size(bytes_per_s)}/s"


def number(count: int) -> str:
    return f"{count:,}"


def files(count: int) -> str:
    return ngettext("{count} file", "{count} files", count).format(count=number(count))


def clock_span(seconds: float | None) -> str:
    """A duration that counts: `0:07`, `12:31`, `1:02:03`."""
    if seconds is None or seconds < 0:
        return NOTHING
    whole = int(seconds)
    hours, minutes, rest = whole // _HOUR_S, whole // _MINUTE_S % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def took(seconds: float | None) -> str:
    """A duration that is over: `0.3 s`, `12.0 s`, `12:31`."""
    if seconds is None:
        return NOTHING
    return f"{seconds:.1f} s" if seconds < _MINUTE_S else clock_span(seconds)


def span(seconds: float) -> str:
    """A duration in its largest unit: `7 s`, `3 min`, `2 h`, `5 days`."""
    if seconds < _MINUTE_S:
        return _("{count} s").format(count=int(seconds))
    if seconds < _HOUR_S:
        return _("{count} min").format(count=int(seconds // _MINUTE_S))
    if seconds < _DAY_S:
        return _("{count} h").format(count=int(seconds // _HOUR_S))
    days = int(seconds // _DAY_S)
    return ngettext("{count} day", "{count} days", days).format(count=days)


def ratio(whole: float, part: float) -> str:
    """How many times `part` fits: `4.2 : 1`."""
    return f"{whole / part:.1f} : 1" if part > 0 else NOTHING


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole > 0 else NOTHING


def short_id(snapshot: str) -> str:
    return snapshot[:SHORT_ID_DIGITS]


EPOCH = datetime.fromtimestamp(0, UTC)
"""Where a view has no time, it sorts as if from the beginning."""
