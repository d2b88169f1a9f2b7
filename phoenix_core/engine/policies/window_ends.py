"""Stops scheduled backups at the end of their policy's backup window. What they sent is found again by the next."""

from datetime import datetime

import structlog

from phoenix_core.catalog.jobs import ACTIVE, Jobs
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.policies import WINDOW_ENDS
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.policies.checks import window_of
from phoenix_core.engine.requests import POLICY_ASKS

log = structlog.get_logger(__name__)


class WindowEnds:
    """A duty of the scheduler."""

    def __init__(self, attached: Attached, jobs: Jobs, desk: JobDesk, clock: Clock) -> None:
        self._attached = attached
        self._jobs = jobs
        self._desk = desk
        self._clock = clock

    async def turn(self) -> datetime | None:
        now = self._clock.now()
        active = [
            job
            for job in await self._jobs.in_states(ACTIVE)
            if job.kind is JobKind.FILE_BACKUP and job.requested_by.startswith(POLICY_ASKS) and not job.cancelled_by
        ]
        policies = await self._attached.policies_by_server() if active else {}
        ends: list[datetime] = []
        for job in active:
            policy = policies.get(job.server_id)
            if policy is None or not policy.window:
                continue
            window = await window_of(policy)
            if not window.contain(now):
                await self._stop(job.id, policy.name)
            elif end := window.end_after(now):
                ends.append(end)
        return min(ends, default=None)

    async def _stop(self, job_id: str, policy: str) -> None:
        try:
            await self._desk.cancel(job_id, WINDOW_ENDS + policy)
        except PhoenixError as error:
            log.info("the job was over when its window ended", job=job_id, error=error.code)
