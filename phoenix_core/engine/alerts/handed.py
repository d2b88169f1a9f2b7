"""Servers whose agent hands over more dumps by itself than it used to: a script gone wild, or somebody who stole it.

Retention counts such dumps by days, so that none is pushed out by their number; but those of a thief age the good ones
all the same, day by day, and somebody has to know before these are gone. Sizes aren't judged: the agent says them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from phoenix_core.catalog.handed_dumps import DumpsOfDay, HandedDumps
from phoenix_core.catalog.rows import PeerRow
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.states import JobKind
from phoenix_core.domain.views import Event
from phoenix_core.engine.alerts.condition import Condition, Found
from phoenix_core.engine.alerts.parts import Part
from phoenix_core.engine.own_streams import PER_DAY
from phoenix_core.engine.peer_directory import AGENT, PeerDirectory
from phoenix_core.engine.settings import Settings

LOOKED_AT = timedelta(days=7)
"""So long a day of too many is an alert: it is to be seen after a weekend, and while what retention removed can be
brought back."""
BEFORE = timedelta(days=90)
"""The days that it is compared with."""
YOUNG = timedelta(days=3)
"""A stream that is younger has no dumps to lose, and no custom yet."""
FEW = 10
"""So many on a day are never too many."""
TIMES = 3
"""So many times the busiest day before, at most."""


class HandedSource:
    def __init__(self, handed: HandedDumps, directory: PeerDirectory, settings: Settings) -> None:
        self._handed = handed
        self._directory = directory
        self._settings = settings
        self._days: dict[str, list[DumpsOfDay]] = {}
        """By server; the oldest day first."""
        self._stale: set[str] | None = None
        """Servers to ask the catalog about; None: all."""

    def heed(self, event: Event) -> bool:
        job = event.job
        if job is None or job.kind is not JobKind.FILE_BACKUP or not job.state.is_final:
            return False
        if self._stale is not None:
            self._stale.add(job.server_id)
        return True

    def forget(self) -> None:
        self._stale = None

    async def look(self, now: datetime) -> Found:
        await self._learn(now)
        found = Found({AlertKind.STREAM_FLOODED})
        first, last = (now - LOOKED_AT).astimezone(UTC).date(), now.astimezone(UTC).date()
        for peer in self._directory.of_role(AGENT):
            days = self._days.get(peer.id, [])
            if peer.revoked_at is None and days:
                found.conditions += _of_streams(peer, days, first, last)
                found.conditions += self._of_server(peer, days, first, last)
        return found

    async def _learn(self, now: datetime) -> None:
        stale, self._stale = self._stale, set()
        if stale is not None and not stale:
            return
        try:
            learnt = await self._handed.by_day(now - BEFORE - LOOKED_AT, stale)
        except BaseException:
            self._stale = None
            raise
        for server_id in list(self._days) if stale is None else stale:
            self._days.pop(server_id, None)
        for each in learnt:
            self._days.setdefault(each.server_id, []).append(each)

    def _of_server(self, peer: PeerRow, days: Sequence[DumpsOfDay], first: date, last: date) -> list[Condition]:
        """That no more are taken on a day; an alert of the server, since whoever does that may use any names."""
        most = self._settings.whole(PER_DAY)
        asked: defaultdict[date, int] = defaultdict(int)
        for each in days:
            asked[each.day] += each.asked
        used_up = [day for day, count in asked.items() if first < day <= last and most and count >= most]
        if not used_up:
            return []
        text = (
            f"On {max(used_up)} the agent of {peer.name} handed over {most} streams by itself, as many as {PER_DAY} "
            "allows: no more were taken on that day."
        )
        return [_condition(Part(peer), text, f"allow more: `phoenix setting set {PER_DAY} N`")]


def _of_streams(peer: PeerRow, days: Sequence[DumpsOfDay], first: date, last: date) -> list[Condition]:
    made: defaultdict[str, dict[date, int]] = defaultdict(dict)
    for each in days:
        if each.made and each.day <= last:  # a day to come is one of a clock that was wrong
            made[each.stream][each.day] = each.made
    return [
        _flooded(Part(peer, stream, is_all=False), day, counts[day], _busiest_before(counts, day))
        for stream, counts in sorted(made.items())
        if (day := _newest_unusual(counts, first)) is not None
    ]


def _newest_unusual(counts: Mapping[date, int], first: date) -> date | None:
    """The newest day after `first` on which there were too many."""
    begun = min(counts)
    unusual = (
        day
        for day, count in counts.items()
        if day > first and day - begun >= YOUNG and count > max(FEW, TIMES * _busiest_before(counts, day))
    )
    return max(unusual, default=None)


def _busiest_before(counts: Mapping[date, int], day: date) -> int:
    return max((count for other, count in counts.items() if day - BEFORE <= other < day), default=0)


def _flooded(part: Part, day: date, count: int, before: int) -> Condition:
    text = (
        f"On {day} the agent of {part.server.name} handed over {count} dumps of the stream {part.stream} by itself; "
        f"on none of the {BEFORE.days} days before were there more than {before}. Retention counts those of one day as "
        "one, so that their number pushes out none of the days before."
    )
    return _condition(part, text, "acknowledge this")


def _condition(part: Part, text: str, if_meant: str) -> Condition:
    name = part.server.name
    hint = (
        f"If {name} means to, {if_meant}. If not, somebody else may have its agent: `phoenix server remove {name}` "
        f"shuts him out. Then see which dumps are good (`phoenix snapshot list --server {name}`, and with `--removed`) "
        "and hold them."
    )
    return Condition(
        AlertKind.STREAM_FLOODED, part.subject_id, part.subject, Severity.ERROR, text, hint, server_id=part.server.id
    )
