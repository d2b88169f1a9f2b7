"""Tries scheduled backups that failed or were aborted again, as often and as late as their group's policy says."""

from datetime import datetime, timedelta

import structlog

from phoenix_core.catalog.jobs import Jobs
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.states import JobState
from phoenix_core.engine.errors import AgentAway
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.policies.checks import DELAY_MAX_S, window_of
from phoenix_core.engine.requests import POLICY_ASKS
from phoenix_core.engine.seen_time import SeenTime

TOO_LATE_S = 2 * DELAY_MAX_S
"""So long after its end the next scheduled backup is as good as a retry."""

log = structlog.get_logger(__name__)


class Retries:
    """A duty of the scheduler. Delays go by time that was seen to pass: a clock that is set back puts no retry off."""

    def __init__(self, attached: Attached, jobs: Jobs, desk: JobDesk, clock: Clock, seen: SeenTime) -> None:
        self._attached = attached
        self._jobs = jobs
        self._desk = desk
        self._clock = clock
        self._seen = seen

    async def turn(self) -> datetime | None:
        now, seen_s = self._clock.now(), self._seen.now_s
        failed = await self._jobs.to_retry(POLICY_ASKS, seen_s - TOO_LATE_S)
        if not failed:
            return None
        policies = await self._attached.policies_by_server()
        upcoming: list[datetime] = []
        for job in failed:
            policy = policies.get(job.server_id)
            if policy is None or job.attempt > policy.retries:
                continue
            if job.state is JobState.SKIPPED and (job.error is None or job.error.code != AgentAway.code):
                continue  # it was decided on, rather than kept from running
            if not (await window_of(policy)).contain(now):
                continue
            left_s = job.ended_seen_s + policy.retry_delay_s - seen_s
            if left_s > 0:
                upcoming.append(now + timedelta(seconds=left_s))
                continue
            try:
                await self._desk.retry(job.id, job.requested_by)
            except PhoenixError as error:
                log.warning("a backup could not be tried again", job=job.id, error=error.message)
        return min(upcoming, default=None)
