"""Starts the backups of each group when its policy's schedule says so (WF1.1).

The catalog keeps up to when each group has been dealt with. A run's jobs have ids made from group, run and server, so
that a core which ends between two of them makes the rest after its restart, and none twice.
"""

from collections.abc import Callable
from datetime import datetime
from itertools import product

import structlog
from blake3 import blake3

from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.rows import GroupRow, PolicyRow, RuleRow
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import id_of
from phoenix_core.domain.policies import MissedRun
from phoenix_core.domain.streams import Stream
from phoenix_core.engine.content import streams_of
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.policies.checks import window_of, zone_read
from phoenix_core.engine.policies.due import due_now
from phoenix_core.engine.policies.timetable import Timetable
from phoenix_core.engine.requests import ScheduledBackup

log = structlog.get_logger(__name__)


class GroupRuns:
    """A duty of the scheduler."""

    def __init__(self, stored: Policies, desk: JobDesk, clock: Clock, in_use: Callable[[str], bool]) -> None:
        """`in_use`: whether a server of this id is still protected."""
        self._stored = stored
        self._desk = desk
        self._clock = clock
        self._in_use = in_use

    async def turn(self) -> datetime | None:
        there = await self._stored.all()
        policies = {row.id: row for row in there.policies}
        rules = {row.id: row for row in there.rules}
        upcoming: list[datetime] = []
        for group in there.groups:
            policy = policies.get(group.policy_id or "")
            if policy is None or not policy.body.schedule:
                continue
            timetable = Timetable(policy.body.schedule, await zone_read(policy.body))
            await self._serve(group, policy, [rules[rule_id] for rule_id in group.rule_ids], timetable)
            due = timetable.due_after(self._clock.now())
            if due is not None:
                upcoming.append(due)
        return min(upcoming, default=None)

    async def _serve(self, group: GroupRow, policy: PolicyRow, rules: list[RuleRow], timetable: Timetable) -> None:
        due = due_now(timetable, group.considered_until, self._clock.now())
        if due.at is not None and not await self._start(group, policy, rules, due.at, missed=due.missed):
            return  # the next turn makes the jobs that are lacking
        if due.considered_until != group.considered_until:
            await self._stored.considered(group, due.considered_until)

    async def _start(
        self, group: GroupRow, policy: PolicyRow, rules: list[RuleRow], due: datetime, *, missed: bool
    ) -> bool:
        """False where a job could not be made now."""
        content = tuple(rule.body for rule in rules)
        of_files = tuple(rule for rule in content if rule.paths)
        # A clock that was set back comes to the same time again: that is another run.
        run = f"{group.id} {group.considered_until.isoformat()} {due.isoformat()}"
        all_made = True
        in_window = (await window_of(policy.body)).contain(self._clock.now())
        what: list[Stream | None] = [None] if of_files or not rules else []
        what += streams_of(content)
        for server_id, stream in product(filter(self._in_use, group.server_ids), what):
            digest = blake3(f"{run} {server_id}{f' {stream.name}' if stream else ''}".encode()).digest()
            wanted = ScheduledBackup(
                job_id=id_of("j", digest),
                server_id=server_id,
                policy=policy.name,
                group=group.name,
                due=due,
                missed=missed,
                left_out=missed and policy.body.missed is MissedRun.SKIP,
                in_window=in_window,
                stream=stream,
            )
            try:
                await self._desk.scheduled_backup(wanted, of_files)
            except PhoenixError as error:
                log.warning("a scheduled backup could not be queued", server=server_id, error=error.message)
                all_made = all_made and not error.retryable
        return all_made
