"""Servers without a good backup for too long.

A server on a schedule is expected to be backed up; one that an operator backs up by hand is expected to go on being.
One that is on no schedule and never was backed up was only enrolled: there is nothing to miss yet. Of a server whose
rules name streams each is expected for itself, and files only where they name folders; what else somebody hands to its
agent stands for none of these.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from phoenix_core.catalog.rows import PeerRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.policies import BackupPolicy, ContentRule
from phoenix_core.domain.streams import Stream
from phoenix_core.engine.alerts.condition import Condition, Found
from phoenix_core.engine.alerts.parts import Part
from phoenix_core.engine.alerts.words import moment
from phoenix_core.engine.content import parts_of
from phoenix_core.engine.policies.checks import window_of, zone_read
from phoenix_core.engine.policies.timetable import Timetable, runs_within
from phoenix_core.engine.settings import Settings

DAYS = "alert.no_backup_days"
BY_HAND_DAYS = "alert.no_backup_by_hand_days"
GRACE = timedelta(hours=12)
"""So long after it was due, a backup that isn't there is missed: it may take hours."""
_SINCE = "alerts.scheduled_since"
"""Fact: by subject of what is on a schedule and has no backup, since when it is; JSON."""


class _Expected(msgspec.Struct, frozen=True):
    part: Part
    stream: Stream | None
    last: datetime | None
    """When its newest good backup was recorded."""
    policy: BackupPolicy | None
    """None: it is on no schedule."""


class Overdue:
    def __init__(self, settings: Settings, facts: Facts) -> None:
        self._settings = settings
        self._facts = facts
        self._since: dict[str, datetime] | None = None

    async def of(
        self,
        servers: Sequence[PeerRow],
        good: Mapping[str, Mapping[str, datetime]],
        policies: Mapping[str, BackupPolicy],
        rules: Mapping[str, Sequence[ContentRule]],
        now: datetime,
    ) -> Found:
        """`good`: by server and stream, files under an empty name, when the newest good backup was recorded."""
        scheduled = {server_id: policy for server_id, policy in policies.items() if policy.schedule}
        expected = [
            _Expected(
                Part(peer, name, is_all=not any({*parts, *good.get(peer.id, ())})),
                stream,
                _last(good.get(peer.id, {}), name, has_rules=peer.id in rules),
                scheduled.get(peer.id),
            )
            for peer in servers
            for parts in (parts_of(rules.get(peer.id, ())) or {"": None},)
            for name, stream in parts.items()
        ]
        never = [each.part.subject_id for each in expected if each.policy is not None and each.last is None]
        since = await self._scheduled_since(never, now)
        found = Found({AlertKind.NO_BACKUP}, [], {})
        for each in expected:
            begin = each.last or since.get(each.part.subject_id)
            setting = BY_HAND_DAYS if each.policy is None else DAYS
            days = self._settings.whole(setting)
            if begin is not None and days and await self._is_overdue(begin, days, each.policy, now):
                found.conditions.append(_condition(each, begin))
            else:
                found.over[AlertKind.NO_BACKUP, each.part.subject_id] = _why_not(each.last, setting, days)
        return found

    @staticmethod
    async def _is_overdue(begin: datetime, days: int, policy: BackupPolicy | None, now: datetime) -> bool:
        if now - begin < timedelta(days=days):
            return False
        if policy is None:
            return True
        timetable, window = Timetable(policy.schedule, await zone_read(policy)), await window_of(policy)
        due = next(runs_within(timetable, window, begin), None)
        return due is not None and now - due >= GRACE

    async def _scheduled_since(self, never: Sequence[str], now: datetime) -> dict[str, datetime]:
        """Since when those are on a schedule that were never backed up; kept over restarts."""
        if self._since is None:
            kept = await self._facts.get(_SINCE)
            self._since = msgspec.json.decode(kept, type=dict[str, datetime]) if kept else {}
        known = self._since
        # A clock that was set back makes nobody wait for longer.
        current = {server_id: min(known.get(server_id, now), now) for server_id in never}
        if current != known:
            await self._facts.put(_SINCE, msgspec.json.encode(current).decode())
            self._since = current
        return current


def _last(good: Mapping[str, datetime], stream: str, *, has_rules: bool) -> datetime | None:
    """Where nothing says what is to be backed up of a server, and its files never were, its streams are all of it."""
    if has_rules or stream in good:
        return good.get(stream)
    return max(good.values(), default=None)


def _why_not(last: datetime | None, setting: str, days: int) -> str:
    """No backup of the server is missed."""
    if not days:
        return f"The setting {setting} is 0: no backup is missed."
    if last is None:
        return "There is no good backup of it, and no schedule misses one yet."
    return f"The newest good backup is of {moment(last)}: by its schedule and the setting {setting} none is missed."


def _condition(expected: _Expected, begin: datetime) -> Condition:
    part, name = expected.part, expected.part.server.name
    text = f"There has been no good backup of {part.words} since {moment(begin)}."
    if expected.last is None:
        text = f"A schedule has asked for backups of {part.words} since {moment(begin)}, and there is no good one."
    again = f"`phoenix backup {name}`"
    if expected.stream is not None:
        again = f"`phoenix backup {name} --stream {expected.stream.name} --from {expected.stream.script}`"
    hint = f"`phoenix job list --server {name}` says why. Back it up now: {again}."
    if expected.policy is None:
        hint = (
            f"Back it up: {again}. Put it on a schedule: `phoenix group set GROUP --add {name}`. Where it is no longer "
            f"to be backed up: `phoenix server remove {name}`."
        )
    return Condition(
        kind=AlertKind.NO_BACKUP,
        subject_id=part.subject_id,
        subject=part.subject,
        severity=Severity.ERROR,
        text=text,
        hint=hint,
        server_id=part.server.id,
    )
