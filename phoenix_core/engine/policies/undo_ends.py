"""Has removals become final once their undo period is over."""

from datetime import datetime, timedelta

import structlog

from phoenix_core.catalog.jobs import ACTIVE, FINISHED, Jobs
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.expiry import Expiry
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.seen_time import SeenTime

WHO = "snapshots.undo_days"
AGAIN_S = 3600.0
"""So long after a look whether any may go, or after the job, the next one waits."""
SKIPPED_WAITS = timedelta(days=1)
"""So long after one that was skipped, as in a vault with damage."""
LOOKED_AT = 50

log = structlog.get_logger(__name__)


class UndoEnds:
    """A duty of the scheduler."""

    def __init__(
        self, snapshots: Snapshots, jobs: Jobs, desk: JobDesk, expiry: Expiry, seen: SeenTime, clock: Clock
    ) -> None:
        self._snapshots = snapshots
        self._jobs = jobs
        self._desk = desk
        self._expiry = expiry
        self._seen = seen
        self._clock = clock
        self._not_before_s = 0.0

    async def turn(self) -> datetime | None:
        rows = await self._snapshots.listed(removed=True)
        coming = [row.undo_due_s for row in rows if not self._expiry.is_over(row)]
        if len(coming) < len(rows):
            await self._start()
        if not coming:
            return None
        return self._clock.now() + timedelta(seconds=min(coming) - self._seen.now_s)

    async def _start(self) -> None:
        if self._clock.monotonic_s() < self._not_before_s:
            return
        if await self._is_under_way():
            return
        self._not_before_s = self._clock.monotonic_s() + AGAIN_S
        if await self._was_skipped_lately() or not await self._expiry.any_may_go():
            return
        try:
            await self._desk.remove_expired(WHO)
        except PhoenixError as error:
            log.warning("removals can't become final now", error=error.message)

    async def _is_under_way(self) -> bool:
        active = await self._jobs.listed(states=ACTIVE, kind=JobKind.SNAPSHOT_REMOVE)
        return any(job.requested_by == WHO for job in active)

    async def _was_skipped_lately(self) -> bool:
        ended = await self._jobs.ended_last(JobKind.SNAPSHOT_REMOVE, FINISHED, LOOKED_AT)
        last = next((job for job in ended if job.requested_by == WHO), None)
        if last is None or last.state is not JobState.SKIPPED or last.finished_at is None:
            return False
        return abs(self._clock.now() - last.finished_at) < SKIPPED_WAITS
