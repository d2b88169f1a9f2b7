"""Servers without a good backup for too long.

A server on a schedule is expected to be backed up; one that an operator backs up by hand is expected to go on being.
One that is on no schedule and never was backed up was only enrolled: there is nothing to miss yet.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from phoenix_core.catalog.rows import PeerRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.policies import BackupPolicy
from phoenix_core.engine.alerts.condition import Condition, Found
from phoenix_core.engine.alerts.words import moment
from phoenix_core.engine.policies.checks import zone_read
from phoenix_core.engine.policies.timetable import Timetable
from phoenix_core.engine.settings import Settings

DAYS = "alert.no_backup_days"
BY_HAND_DAYS = "alert.no_backup_by_hand_days"
GRACE = timedelta(hours=12)
"""So long after it was due, a backup that isn't there is missed: it may take hours."""
_SINCE = "alerts.scheduled_since"
"""Fact: by server that is on a schedule and has no backup, since when it is; JSON."""


class Overdue:
    def __init__(self, settings: Settings, facts: Facts) -> None:
        self._settings = settings
        self._facts = facts
        self._since: dict[str, datetime] | None = None

    async def of(
        self,
        servers: Sequence[PeerRow],
        good: Mapping[str, datetime],
        policies: Mapping[str, BackupPolicy],
        now: datetime,
    ) -> Found:
        """`good`: by server, when its newest good backup was recorded."""
        scheduled = {server_id: policy for server_id, policy in policies.items() if policy.schedule}
        never = [peer.id for peer in servers if peer.id in scheduled and peer.id not in good]
        since = await self._scheduled_since(never, now)
        found = Found({AlertKind.NO_BACKUP}, [], {})
        for peer in servers:
            last, policy = good.get(peer.id), scheduled.get(peer.id)
            begin = last or since.get(peer.id)
            setting = BY_HAND_DAYS if policy is None else DAYS
            days = self._settings.whole(setting)
            if begin is not None and days and await self._is_overdue(begin, days, policy, now):
                found.conditions.append(_condition(peer, last, begin, policy))
            else:
                found.over[AlertKind.NO_BACKUP, peer.id] = _why_not(last, setting, days)
        return found

    @staticmethod
    async def _is_overdue(begin: datetime, days: int, policy: BackupPolicy | None, now: datetime) -> bool:
        if now - begin < timedelta(days=days):
            return False
        if policy is None:
            return True
        due = Timetable(policy.schedule, await zone_read(policy)).due_after(begin)
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


def _why_not(last: datetime | None, setting: str, days: int) -> str:
    """No backup of the server is missed."""
    if not days:
        return f"The setting {setting} is 0: no backup is missed."
    if last is None:
        return "There is no good backup of it, and no schedule misses one yet."
    return f"The newest good backup is of {moment(last)}: by its schedule and the setting {setting} none is missed."


def _condition(peer: PeerRow, last: datetime | None, begin: datetime, policy: BackupPolicy | None) -> Condition:
    if last is not None:
        text = f"{peer.name} has had no good backup since {moment(last)}."
    else:
        text = f"{peer.name} has been on a schedule since {moment(begin)}, and there is no good backup of it."
    hint = f"`phoenix job list --server {peer.name}` says why. Back it up now: `phoenix backup {peer.name}`."
    if policy is None:
        hint = (
            f"Back it up: `phoenix backup {peer.name}`. Put it on a schedule: `phoenix group set GROUP --add "
            f"{peer.name}`. Where it is no longer to be backed up: `phoenix server remove {peer.name}`."
        )
    return Condition(
        kind=AlertKind.NO_BACKUP,
        subject_id=peer.id,
        subject=peer.name,
        severity=Severity.ERROR,
        text=text,
        hint=hint,
        server_id=peer.id,
    )
