"""Has a job on the vault queued on the schedule of a setting: retention, prune and verify run by themselves so."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog
from blake3 import blake3

from phoenix_core.catalog.jobs import ACTIVE, Jobs
from phoenix_core.catalog.settings import Facts
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import id_of
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.policies.considered import Considered
from phoenix_core.engine.settings import Settings

Queue = Callable[[str, str], Awaitable[object]]
"""Queues the job, asked for by the first, under the id that is the second. Raises PhoenixError."""

log = structlog.get_logger(__name__)


class SettingRuns:
    """A duty of the scheduler. A run that can't be queued, or whose last one isn't over, stays due until it can be."""

    def __init__(
        self,
        kind: JobKind,
        queue: Queue,
        wanted: Callable[[], Awaitable[bool]],
        settings: Settings,
        facts: Facts,
        jobs: Jobs,
        clock: Clock,
    ) -> None:
        """The setting is named after the kind of its jobs: `prune.schedule`. `wanted`: whether there is anything to do
        at all; while there isn't, nothing becomes due."""
        self._kind = kind
        self._setting = f"{kind}.schedule"
        self._queue = queue
        self._wanted = wanted
        self._settings = settings
        self._considered = Considered(facts, f"{kind}.considered_until")
        self._jobs = jobs
        self._clock = clock
        self._told = ""

    async def turn(self) -> datetime | None:
        if not await self._wanted():
            await self._considered.forget()
            return None
        now = self._clock.now()
        schedule, timetable = self._settings.text(self._setting), self._settings.timetable(self._setting)
        due = await self._considered.due(schedule, timetable, now)
        if due.at is not None and await self._begun(self._considered.run):
            await self._considered.dealt_with(schedule, due)
        return timetable.due_after(now)

    async def _begun(self, run: str) -> bool:
        active = await self._jobs.listed(states=ACTIVE, kind=self._kind)
        job_id = id_of("j", blake3(run.encode()).digest())
        if any(job.requested_by == self._setting and job.id != job_id for job in active):
            return False
        try:
            await self._queue(self._setting, job_id)
        except PhoenixError as error:
            if self._told != run:  # the scheduler looks again and again
                log.warning("what is due can't be queued yet", setting=self._setting, error=error.message)
            self._told = run
            return False
        return True
