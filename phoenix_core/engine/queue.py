"""Decides which waiting job may start: its agent is connected, and no job beside it is in its way."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from phoenix_core.catalog.errors import IllegalTransition
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.claims import Claim, conflict
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
    ) -> None:
        self._jobs = jobs
        self._ledger = ledger
        self._runner = runner
        self._workflows = workflows
        self._connected = connected
        self._wake = asyncio.Event()
        runner.on_freed(self.poke)

    def poke(self) -> None:
        """Something changed: a job was queued or has ended, an agent connected."""
        self._wake.set()

    def plan_of(self, kind: JobKind) -> tuple[tuple[str, str], ...]:
        """Ids and titles of the steps of such a job."""
        return self._workflows[kind].plan

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
        """Go once through the waiting jobs, oldest first."""
        in_the_way = self._runner.held()
        for job in await self._jobs.in_states(WAITING):
            if job.agent_id and not self._connected(job.agent_id):
                await self._wait(job, JobState.WAITING_FOR_AGENT)
                continue
            claims = self._workflows[job.kind].claims(job)
            if not self._blocked(claims, in_the_way) and await self._runner.start(job):
                in_the_way.extend(claims)
            else:
                await self._wait(job, JobState.QUEUED)
                in_the_way.extend(claims)

    @staticmethod
    def _blocked(claims: tuple[Claim, ...], in_the_way: list[Claim]) -> bool:
        return conflict(claims, in_the_way) is not None

    async def _wait(self, job: JobRow, state: JobState) -> None:
        if job.state is state:
            return
        try:
            await self._ledger.move(job.id, state)
            if state is JobState.WAITING_FOR_AGENT:
                await self._ledger.note(job.id, "The agent is not connected; the job starts once it is.")
        except IllegalTransition:
            log.info("job was decided on meanwhile", job=job.id)
