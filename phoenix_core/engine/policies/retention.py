"""Which restore points a policy's retention keeps, and why; pure, so that a plan can be shown before it is carried out.

Restore points are counted, not aged: a clock that jumps removes nothing. Those of one server that cover the same paths
are counted together. The newest that can be restored whole always stays, and so does what is held, and what can't be
restored whole: one that is lost until somebody removes it by hand, one with damage until that is mended.

Dumps that an agent handed over by itself are counted apart from those that the core ordered, and all of a day have one
place of `last` together: whoever stole an agent can hand over as many worthless ones as he likes, and no number of them
may push out what was there before. For that reason a day, week, month or year also keeps the first of them, which
is of before the theft where the last one isn't."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

import msgspec

from phoenix_core.domain.policies import Retention


class RestorePoint(msgspec.Struct, frozen=True):
    """What a plan needs to know of a snapshot."""

    id: str
    server_id: str
    paths: tuple[str, ...]
    recorded_at: datetime
    sequence: int
    """Number of its record; later ones are newer, whatever the clocks said."""
    readable: bool = True
    held: bool = False
    damaged: bool = False
    """It can be opened, and something of it can't be restored."""
    handed: bool = False
    """The server's agent handed it over by itself, without an order of the core."""

    @property
    def sound(self) -> bool:
        return self.readable and not self.damaged


class Verdict(msgspec.Struct, frozen=True):
    point: RestorePoint
    reasons: tuple[str, ...]
    """Why it stays, such as `last 3`, `last 3 (by day)` or `weekly 2`; empty: it goes."""

    @property
    def stays(self) -> bool:
        return bool(self.reasons)


def _day(time: datetime) -> tuple[int, ...]:
    return (time.year, time.month, time.day)


_PERIODS: tuple[tuple[str, Callable[[datetime], tuple[int, ...]]], ...] = (
    ("daily", _day),
    ("weekly", lambda time: tuple(time.isocalendar())[:2]),
    ("monthly", lambda time: (time.year, time.month)),
    ("yearly", lambda time: (time.year,)),
)


def plan(points: Iterable[RestorePoint], retention: Retention, zone: ZoneInfo) -> list[Verdict]:
    """A verdict on each point; per server and set of paths, newest first, what was handed over behind the others."""

    def kind(point: RestorePoint) -> tuple[str, tuple[str, ...], bool]:
        return (point.server_id, tuple(sorted(point.paths)), point.handed)

    verdicts: list[Verdict] = []
    for _, same in groupby(sorted(points, key=lambda point: (kind(point), -point.sequence)), key=kind):
        verdicts.extend(_judge(list(same), retention, zone))
    return verdicts


def _judge(points: Sequence[RestorePoint], retention: Retention, zone: ZoneInfo) -> list[Verdict]:
    reasons: dict[str, list[str]] = {point.id: [] for point in points}
    sound = [point for point in points if point.sound]
    for point in points:
        if not point.readable:
            reasons[point.id].append("lost")
        elif point.damaged:
            reasons[point.id].append("damaged")
        elif retention.keeps_all:
            reasons[point.id].append("all")
        if point.held:
            reasons[point.id].append("held")
    if sound:
        reasons[sound[0].id].append("newest")
    for place, point in _places(sound, zone):
        if place <= retention.last:
            reasons[point.id].append(f"last {place} (by day)" if point.handed else f"last {place}")
    for name, period in _PERIODS:
        of_period: dict[tuple[int, ...], list[RestorePoint]] = {}
        for point in sound:
            of_period.setdefault(period(point.recorded_at.astimezone(zone)), []).append(point)
        for number, same in enumerate(list(of_period.values())[: getattr(retention, name)], 1):
            reasons[same[0].id].append(f"{name} {number}")
            if same[-1].handed and same[-1] is not same[0]:
                reasons[same[-1].id].append(f"{name} {number} (first)")
    return [Verdict(point, tuple(reasons[point.id])) for point in points]


def _places(points: Sequence[RestorePoint], zone: ZoneInfo) -> Iterator[tuple[int, RestorePoint]]:
    """Each with its place among the last, newest first: one of its own, or, of what was handed over, its day's."""
    places: dict[object, int] = {}
    for point in points:
        whose = _day(point.recorded_at.astimezone(zone)) if point.handed else point.id
        yield places.setdefault(whose, len(places) + 1), point
