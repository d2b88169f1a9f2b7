"""Has removals become final once their undo period is over."""

from datetime import datetime, timedelta

import structlog

from phoenix_core.catalog.jobs import ACTIVE, Jobs
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.seen_time import SeenTime

WHO = "snapshots.undo_days"
AGAIN_S = 3600.0
"""After a job that left some of them, the next one waits so long."""

log = structlog.get_logger(__name__)


class UndoEnds:
    """A duty of the scheduler."""

    def __init__(self, snapshots: Snapshots, jobs: Jobs, desk: JobDesk, seen: SeenTime, clock: Clock) -> None:
        self._snapshots = snapshots
        self._jobs = jobs
        self._desk = desk
        self._seen = seen
        self._clock = clock
        self._not_before_s = 0.0

    async def turn(self) -> datetime | None:
        rows = await self._snapshots.listed(removed=True)
        if not rows:
            return None
        wait_s = min(row.undo_due_s for row in rows) - self._seen.now_s
        if wait_s <= 0:
            await self._start()
            return None
        return self._clock.now() + timedelta(seconds=wait_s)

    async def _start(self) -> None:
        if self._clock.monotonic_s() < self._not_before_s:
            return
        active = await self._jobs.listed(states=ACTIVE, kind=JobKind.SNAPSHOT_REMOVE)
        if any(job.requested_by == WHO for job in active):
            return
        self._not_before_s = self._clock.monotonic_s() + AGAIN_S
        try:
            await self._desk.remove_expired(WHO)
        except PhoenixError as error:
            log.warning("removals can't become final now", error=error.message)
