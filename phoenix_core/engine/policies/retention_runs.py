"""Has retention carried out on the schedule of the setting `retention.schedule`."""

from datetime import datetime

import structlog

from phoenix_core.catalog.settings import Facts
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.policies.due import due_now
from phoenix_core.engine.policies.retention_plan import RetentionPlans
from phoenix_core.engine.settings import Settings

SETTING = "retention.schedule"
WHO = "retention.schedule"
_CONSIDERED = "retention.considered_until"
"""Fact: the schedule, and up to when it has been dealt with, as `daily at 06:00|<ISO time>`."""

log = structlog.get_logger(__name__)


class RetentionRuns:
    """A duty of the scheduler."""

    def __init__(self, plans: RetentionPlans, settings: Settings, facts: Facts, desk: JobDesk, clock: Clock) -> None:
        self._plans = plans
        self._settings = settings
        self._facts = facts
        self._desk = desk
        self._clock = clock

    async def turn(self) -> datetime | None:
        now = self._clock.now()
        schedule, timetable = self._settings.text(SETTING), self._settings.timetable(SETTING)
        removes_any = await self._plans.removes_any()
        known, _, until = (await self._facts.get(_CONSIDERED) or "").rpartition("|")
        if known != schedule or not removes_any:
            # What began just now had nothing due before.
            if known or removes_any:
                await self._facts.put(_CONSIDERED, f"{schedule}|{now.isoformat()}" if removes_any else "")
            return timetable.due_after(now) if removes_any else None
        considered_until = datetime.fromisoformat(until)
        due = due_now(timetable, considered_until, now)
        if due.at is not None:
            try:
                await self._desk.retention(WHO)
            except PhoenixError as error:
                log.warning("retention could not be queued", error=error.message)
        if due.considered_until != considered_until:
            await self._facts.put(_CONSIDERED, f"{schedule}|{due.considered_until.isoformat()}")
        return timetable.due_after(now)
