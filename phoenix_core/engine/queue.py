"""Decides which waiting job may start: its agent is connected, no job beside it is in its way, and there is a place."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from phoenix_core.catalog.errors import IllegalTransition
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.claims import Claim, conflict
from phoenix_core.engine.fairness import in_turn
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.runner import Runner
from phoenix_core.engine.workflow import Workflow

WAITING = (JobState.QUEUED, JobState.WAITING_FOR_AGENT)
RETRY_S = 2.0

log = structlog.get_logger(__name__)


class JobQueue:
    """The queue itself is the catalog; `run` serves it each time that somebody pokes."""

    def __init__(
        self,
        jobs: Jobs,
        ledger: Ledger,
        runner: Runner,
        workflows: Mapping[JobKind, Workflow],
        connected: Callable[[str], bool],
        grace_s: Callable[[], float],
        at_once: Callable[[], int],
        groups: Callable[[], Awaitable[Mapping[str, str]]],
        clock: Clock,
    ) -> None:
        """`grace_s`: how long a scheduled backup waits for an agent that isn't there. `at_once`: how many jobs of
        agents may run at once; 0: as many as there are. `groups`: the group of each server that has one."""
        self._jobs = jobs
        self._ledger = ledger
        self._runner = runner
        self._workflows = workflows
        self._connected = connected
        self._grace_s = grace_s
        self._at_once = at_once
        self._without: dict[str, float] = {}
        """Scheduled backups seen without their agent: since when, by the monotonic clock."""
        self._groups = groups
        self._clock = clock
        self._wake = asyncio.Event()
        runner.on_freed(self.poke)

    def poke(self) -> None:
        """Something changed: a job was queued or has ended, an agent connected."""
        self._wake.set()

    def plan_of(self, kind: JobKind, agent_id: str = "") -> tuple[tuple[str, str], ...]:
        """Ids and titles of the steps of such a job at this agent."""
        return self._workflows[kind].plan_for(agent_id)

    async def run(self) -> None:
        """Start what may start, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.serve()
            except Exception:
                # The queue must outlive one bad turn, such as a catalog without space.
                log.exception("the job queue stumbled")
                asyncio.get_running_loop().call_later(RETRY_S, self.poke)

    async def serve(self) -> None:
        """Go once through the waiting jobs, the oldest first: what nothing is in the way of starts. Of jobs of agents
        only so many do as there are places, groups of servers in turn."""
        in_the_way = self._runner.held()
        startable: list[JobRow] = []
        for job in await self._jobs.in_states(WAITING):
            if job.agent_id and not self._connected(job.agent_id):
                await self._without_agent(job)
                continue
            self._without.pop(job.id, None)
            claims = self._workflows[job.kind].claims(job)
            if self._blocked(claims, in_the_way):
                await self._wait(job, JobState.QUEUED)
            elif job.agent_id:
                startable.append(job)
            elif not await self._runner.start(job):
                continue  # it was decided on meanwhile
            in_the_way.extend(claims)
        await self._fill_places(startable)

    async def _fill_places(self, startable: Sequence[JobRow]) -> None:
        """Only jobs that could start take turns: one that waits for something else takes no other's place."""
        at_agents = [job for job in self._runner.running() if job.agent_id]
        places = (self._at_once() or len(startable) + len(at_agents)) - len(at_agents)
        groups = await self._groups() if len(startable) > 1 else {}
        for job in in_turn(startable, at_agents, lambda job: groups.get(job.server_id, job.server_id)):
            if places > 0 and await self._runner.start(job):
                places -= 1
            else:
                await self._wait(job, JobState.QUEUED)

    async def skip(self, job: JobRow, why: PhoenixError) -> JobRow:
        """End a job that has not begun. Raises IllegalTransition where it has."""
        self._without.pop(job.id, None)
        await self._ledger.end_steps(job.id, why.view())
        return await self._ledger.move(job.id, JobState.SKIPPED, expected=WAITING, error=why.view())

    async def _without_agent(self, job: JobRow) -> None:
        """Wait for the agent; of a scheduled backup only as long as an agent takes that was just started again."""
        why = self._workflows[job.kind].skipped_without_agent(job)
        if why is None:
            await self._wait(job, JobState.WAITING_FOR_AGENT, "The agent is not connected; the job starts once it is.")
            return
        since = self._without.setdefault(job.id, self._clock.monotonic_s())
        left_s = self._grace_s() - (self._clock.monotonic_s() - since)
        if left_s > 0:
            text = f"The agent is not connected; the job is skipped unless it is within {left_s:.0f} s."
            await self._wait(job, JobState.WAITING_FOR_AGENT, text)
            asyncio.get_running_loop().call_later(left_s + 0.1, self.poke)
            return
        try:
            await self.skip(job, why)
        except IllegalTransition:
            log.info("job was decided on meanwhile", job=job.id)

    @staticmethod
    def _blocked(claims: tuple[Claim, ...], in_the_way: list[Claim]) -> bool:
        return conflict(claims, in_the_way) is not None

    async def _wait(self, job: JobRow, state: JobState, text: str = "") -> None:
        if job.state is state:
            return
        try:
            await self._ledger.move(job.id, state)
            if text:
                await self._ledger.note(job.id, text)
        except IllegalTransition:
            log.info("job was decided on meanwhile", job=job.id)
