"""The one writer of alerts: makes, changes and resolves them as conditions come and go, and has them told.

What is changed and what is to be told of it are written in one transaction, so that a core which ends in between tells
neither too little nor, but for a message that was on its way, too much.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from phoenix_core.catalog.alert_rows import AlertRow, NoticeRow
from phoenix_core.catalog.alerts import Alerts
from phoenix_core.domain.alerts import AlertChange, AlertKind, AlertView
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.ids import new_id
from phoenix_core.engine.alerts.condition import Condition, Found, Key
from phoenix_core.engine.alerts.parts import stream_of
from phoenix_core.engine.alerts.words import SUBJECT_CHARS, one_line, over
from phoenix_core.engine.events import EventBus

COMES_BACK = timedelta(hours=1)
"""What lasts, and comes back within so long after it was over, is the same alert."""

log = structlog.get_logger(__name__)


class Changed(msgspec.Struct, frozen=True):
    alert: AlertRow
    change: AlertChange | None
    """None: nothing that is told at once."""


Tell = Callable[[Sequence[Changed], datetime], Awaitable[list[NoticeRow]]]
"""What is to be told at once of these changes, by which channels."""
WhyGone = Callable[[AlertRow], str]
"""Why what an alert is about isn't there any more; empty: it is."""


class AlertBoard:
    """Used from the event loop only. `load` first."""

    def __init__(
        self,
        stored: Alerts,
        events: EventBus,
        tell: Tell,
        told: Callable[[], None],
        why_gone: WhyGone,
        clock: Clock,
    ) -> None:
        """`told` is called when there is something new to tell."""
        self._stored = stored
        self._events = events
        self._tell = tell
        self._told = told
        self._why_gone = why_gone
        self._clock = clock
        self._active: dict[Key, AlertRow] = {}
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        self._active = {(row.kind, row.subject_id): row for row in await self._stored.active()}

    def is_active(self, kind: AlertKind, subject_id: str) -> bool:
        return (kind, subject_id) in self._active

    def active(self) -> list[AlertRow]:
        """The worst first, then those that came last."""
        return sorted(
            self._active.values(), key=lambda row: (-row.severity.rank, -row.first_seen_at.timestamp(), row.id)
        )

    async def apply(self, found: Found, now: datetime) -> None:
        """Bring the alerts of the kinds that were told about up to what was found."""
        async with self._turn:
            conditions = {condition.key: condition for condition in found.conditions}
            changes = [change for each in conditions.values() if (change := await self._with(each, now))]
            changes += [
                Changed(_resolved(row, self._why_over(row, found), now), AlertChange.RESOLVED)
                for key, row in self._active.items()
                if row.kind in found.told and key not in conditions and key not in found.undecided
            ]
            await self._write(changes, now)

    def _why_over(self, row: AlertRow, found: Found) -> str:
        return self._why_gone(row) or found.over.get((row.kind, row.subject_id)) or over(row.kind)

    async def acknowledge(self, alert_id: str, who: str, note: str) -> AlertRow | None:
        """The alert as it is now; None where it isn't active."""
        async with self._turn:
            row = next((each for each in self._active.values() if each.id == alert_id), None)
            if row is None:
                return None
            now = self._clock.now()
            known = msgspec.structs.replace(row, acknowledged_at=now, acknowledged_by=who, note=note)
            await self._write([Changed(known, None)], now)
            return known

    async def _write(self, changes: Sequence[Changed], now: datetime) -> None:
        if not changes:
            return
        notices = await self._tell(changes, now)
        await self._stored.write([each.alert for each in changes], notices)
        for each in changes:
            row = each.alert
            if row.resolved_at is None:
                self._active[row.kind, row.subject_id] = row
            else:
                self._active.pop((row.kind, row.subject_id), None)
            if each.change is not None:
                log.info("alert " + each.change, alert=row.id, kind=str(row.kind), subject=row.subject, text=row.text)
            self._events.publish("alert", alert=view_of(row))
        if notices:
            self._told()

    async def _with(self, condition: Condition, now: datetime) -> Changed | None:
        row = self._active.get(condition.key)
        if row is None:
            return await self._raised(condition, now)
        happened = {
            "subject": one_line(condition.subject, SUBJECT_CHARS),
            "text": one_line(condition.text),
            "hint": one_line(condition.hint),
            "severity": condition.severity,
            "server_id": condition.server_id,
            "job_id": condition.job_id,
            "count": condition.occurrences or row.count,
        }
        if condition.at is not None:
            happened["last_seen_at"] = condition.at
        changed = msgspec.structs.replace(row, **happened)
        if changed == row:
            return None
        if condition.at is None:
            changed = msgspec.structs.replace(changed, last_seen_at=now)
        if condition.severity.rank > row.severity.rank:  # what was acknowledged was less
            changed = msgspec.structs.replace(changed, acknowledged_at=None, acknowledged_by="", note="")
            return Changed(changed, AlertChange.WORSE)
        return Changed(changed, None)

    async def _raised(self, condition: Condition, now: datetime) -> Changed:
        before = None if condition.at else await self._stored.last_resolved(*condition.key)
        row = AlertRow(
            id=new_id("w"),
            kind=condition.kind,
            subject_id=condition.subject_id,
            subject=one_line(condition.subject, SUBJECT_CHARS),
            severity=condition.severity,
            text=one_line(condition.text),
            hint=one_line(condition.hint),
            first_seen_at=condition.at or now,
            last_seen_at=condition.at or now,
            count=max(1, condition.occurrences),
            server_id=condition.server_id,
            job_id=condition.job_id,
        )
        if before is not None and before.resolved_at is not None and abs(now - before.resolved_at) < COMES_BACK:
            row = msgspec.structs.replace(row, id=before.id, first_seen_at=before.first_seen_at, count=before.count + 1)
        return Changed(row, AlertChange.RAISED)


def _resolved(row: AlertRow, why: str, now: datetime) -> AlertRow:
    return msgspec.structs.replace(row, resolved_at=now, resolved_why=one_line(why))


def view_of(row: AlertRow) -> AlertView:
    fields = {name: getattr(row, name) for name in row.__struct_fields__ if name in AlertView.__struct_fields__}
    return AlertView(**fields, stream=stream_of(row.subject_id))
