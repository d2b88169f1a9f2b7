"""Up to when a schedule has been dealt with, as a fact of the catalog: what is due survives a restart."""

from datetime import datetime

from phoenix_core.catalog.settings import Facts
from phoenix_core.engine.policies.due import Due, due_now
from phoenix_core.engine.policies.timetable import Timetable


class Considered:
    """Of one schedule."""

    def __init__(self, facts: Facts, name: str) -> None:
        """`name`: the fact's; it holds the schedule as text and a time, such as `daily at 06:00|<ISO time>`."""
        self._facts = facts
        self._name = name
        self.run = ""
        """What tells the run that is due from all others: a job made for it gets its id from this."""

    async def due(self, schedule: str, timetable: Timetable, now: datetime) -> Due:
        """What is due now. A schedule that is new, or another than before, had nothing due until now."""
        before, _, until = (await self._facts.get(self._name) or "").rpartition("|")
        if before != schedule:
            await self._put(schedule, now)
            return Due(at=None, missed=False, considered_until=now)
        due = due_now(timetable, datetime.fromisoformat(until), now)
        # A clock that was set back comes to the same time again: that is another run.
        self.run = f"{self._name} {schedule} {until} {due.at}"
        if due.at is None and due.considered_until.isoformat() != until:
            await self._put(schedule, due.considered_until)
        return due

    async def dealt_with(self, schedule: str, due: Due) -> None:
        """What was due is under way. Until this is called it stays due."""
        await self._put(schedule, due.considered_until)

    async def forget(self) -> None:
        """There is no schedule for now."""
        if await self._facts.get(self._name):
            await self._facts.put(self._name, "")

    async def _put(self, schedule: str, until: datetime) -> None:
        await self._facts.put(self._name, f"{schedule}|{until.isoformat()}")
