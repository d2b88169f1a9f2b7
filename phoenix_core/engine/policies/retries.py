"""Tries scheduled backups that failed or were aborted again, as often and as late as their group's policy says."""

from datetime import datetime, timedelta

import structlog

from phoenix_core.catalog.jobs import Jobs
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.policies.checks import DELAY_MAX_S, window_of
from phoenix_core.engine.requests import POLICY_ASKS

TOO_LATE = timedelta(seconds=2 * DELAY_MAX_S)
"""After a longer absence of the core the next scheduled backup is as good as a retry."""

log = structlog.get_logger(__name__)


class Retries:
    """A duty of the scheduler."""

    def __init__(self, attached: Attached, jobs: Jobs, desk: JobDesk, clock: Clock) -> None:
        self._attached = attached
        self._jobs = jobs
        self._desk = desk
        self._clock = clock

    async def turn(self) -> datetime | None:
        now = self._clock.now()
        failed = await self._jobs.to_retry(POLICY_ASKS, now - TOO_LATE)
        if not failed:
            return None
        policies = await self._attached.policies_by_server()
        upcoming: list[datetime] = []
        for job in failed:
            policy = policies.get(job.server_id)
            if policy is None or job.attempt > policy.retries or job.finished_at is None:
                continue
            if not (await window_of(policy)).contain(now):
                continue
            due = job.finished_at + timedelta(seconds=policy.retry_delay_s)
            if due > now:
                upcoming.append(due)
                continue
            try:
                await self._desk.retry(job.id, job.requested_by)
            except PhoenixError as error:
                log.warning("a backup could not be tried again", job=job.id, error=error.message)
        return min(upcoming, default=None)
