"""Starts the drills of each group's servers when its policy's `drill` says so."""

from collections.abc import Callable
from datetime import datetime

import structlog
from blake3 import blake3

from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.rows import GroupRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import id_of
from phoenix_core.domain.policies import BackupPolicy, MissedRun
from phoenix_core.engine.drills.desk import DrillDesk
from phoenix_core.engine.policies.checks import zone_read
from phoenix_core.engine.policies.considered import Considered
from phoenix_core.engine.policies.timetable import Timetable

log = structlog.get_logger(__name__)


class DrillRuns:
    """A duty of the scheduler."""

    def __init__(
        self, stored: Policies, desk: DrillDesk, facts: Facts, clock: Clock, in_use: Callable[[str], bool]
    ) -> None:
        """`in_use`: whether a server of this id is still protected."""
        self._stored = stored
        self._desk = desk
        self._facts = facts
        self._clock = clock
        self._in_use = in_use

    async def turn(self) -> datetime | None:
        there = await self._stored.all()
        policies = {row.id: row.body for row in there.policies}
        upcoming: list[datetime] = []
        for group in there.groups:
            policy = policies.get(group.policy_id or "")
            considered = Considered(self._facts, f"drill.considered_until.{group.id}")
            if policy is None or not policy.drill:
                await considered.forget()
                continue
            timetable = Timetable(policy.drill, await zone_read(policy))
            await self._serve(group, policy, considered, timetable)
            due = timetable.due_after(self._clock.now())
            if due is not None:
                upcoming.append(due)
        return min(upcoming, default=None)

    async def _serve(self, group: GroupRow, policy: BackupPolicy, considered: Considered, timetable: Timetable) -> None:
        schedule = f"{'; '.join(policy.drill)} ({policy.time_zone})"
        due = await considered.due(schedule, timetable, self._clock.now())
        if due.at is None:
            return
        left_out = due.missed and policy.missed is MissedRun.SKIP
        if not await self._start(group, policy, considered.run, due.at if left_out else None):
            return  # the next turn makes the jobs that are lacking
        await considered.dealt_with(schedule, due)

    async def _start(self, group: GroupRow, policy: BackupPolicy, run: str, left_out: datetime | None) -> bool:
        """False where a job could not be made now. `left_out`: when it was due, where it is not made up for."""
        all_made = True
        for server_id in filter(self._in_use, group.server_ids):
            job_id = id_of("j", blake3(f"{run} {server_id}".encode()).digest())
            try:
                await self._desk.scheduled(server_id, policy, job_id, left_out)
            except PhoenixError as error:
                log.warning("a drill could not be queued", server=server_id, error=error.message)
                all_made = all_made and not error.retryable
        return all_made
