"""What a workflow is: a class with numbered steps, which the engine runs and records."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from phoenix_core.agentlink.reports import Progress
from phoenix_core.catalog.rows import JobRow, Result
from phoenix_core.domain.errors import Cancelled, ErrorView, PhoenixError
from phoenix_core.domain.states import JobKind, JobState, StepState
from phoenix_core.engine.catalog_patience import once_there_is_space
from phoenix_core.engine.claims import Claim
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.progress import ProgressBoard
from phoenix_core.host.courtesy import NICE_LOWEST, yield_thread

T = TypeVar("T")


class Finish(msgspec.Struct, frozen=True):
    """How a job ended, where it ended well."""

    state: JobState = JobState.SUCCESSFUL
    result: Result = {}
    snapshot_id: str = ""
    missing_count: int = 0
    error: ErrorView | None = None
    """What kept it from doing all."""


class Step:
    """A step that runs; set `detail` to what it found."""

    def __init__(self) -> None:
        self.detail = ""


class JobRun:
    """One running job, as its workflow and the engine share it. Used from the event loop, unless it says otherwise."""

    def __init__(
        self, job: JobRow, ledger: Ledger, progress: ProgressBoard, threads: Executor, *, resumed: bool
    ) -> None:
        self.job = job
        self.resumed = resumed
        """The job was running when the core was started again."""
        self.stop = threading.Event()
        """Set when the work is to end: by a cancel, or because the core stops. Threads look at it."""
        self.cancelled_by = job.cancelled_by
        self._ledger = ledger
        self._progress = progress
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._on_cancel: list[Callable[[str], None]] = []
        self._entered = ""

    @asynccontextmanager
    async def step(self, step_id: str) -> AsyncIterator[Step]:
        """Record the step's start, and at the end of the block its end and detail, or its error."""
        self.check()
        await self._record(step_id, StepState.RUNNING)
        step = Step()
        try:
            yield step
        except PhoenixError as error:
            await self._record(step_id, StepState.FAILED, detail=step.detail, error=error.view())
            raise
        await self._record(step_id, StepState.DONE, detail=step.detail)

    async def _record(
        self, step_id: str, state: StepState, *, detail: str = "", error: ErrorView | None = None
    ) -> None:
        """What is done is done, whether or not there is space to say so now."""
        await once_there_is_space(
            lambda: self._ledger.record_step(self.job.id, step_id, state, detail=detail, error=error)
        )

    async def skip(self, step_id: str, why: str) -> None:
        """Record that a step, though it may have begun, comes to nothing."""
        await self._record(step_id, StepState.SKIPPED, detail=why)

    async def enter(self, step_id: str) -> None:
        """End the step that runs, where one does, and begin this one; for work whose steps follow each other."""
        if step_id == self._entered:
            return
        if self._entered:
            await self._told(self._entered, StepState.DONE)
        self._entered = step_id
        await self._told(step_id, StepState.RUNNING)

    async def _told(self, step_id: str, state: StepState) -> None:
        """As `_record`, but a thread may wait for it that is to stop."""
        await once_there_is_space(lambda: self._ledger.record_step(self.job.id, step_id, state), self.stop.is_set)

    def enter_from_thread(self, step_id: str) -> None:
        """As `enter`, from a thread, which waits until it is recorded."""
        if step_id != self._entered:
            asyncio.run_coroutine_threadsafe(self.enter(step_id), self._loop).result()

    async def note(self, text: str, level: str = "info") -> None:
        await once_there_is_space(lambda: self._ledger.note(self.job.id, text, level), self.stop.is_set)

    async def update(self, **values: Any) -> None:
        """Keep facts about the job in the catalog, so that they survive a restart."""
        self.job = await once_there_is_space(lambda: self._ledger.update(self.job.id, **values))

    async def reload(self) -> None:
        """Look again at what the catalog knows of the job."""
        self.job = await self._ledger.job(self.job.id)

    async def stalled(self, text: str, held_up: bool) -> None:
        """Something outside holds the work up, or does so no longer: into the log and the job's view. No rate stands
        meanwhile."""
        self._progress.stall(self.job.id, text if held_up else "")
        await self.note(text, "warning")
        self._ledger.tell(self.job.id)

    def progress(self, progress: Progress) -> None:
        self._progress.update(progress)

    def progress_from_thread(self, progress: Progress) -> None:
        """As `progress`, from any thread."""
        self._loop.call_soon_threadsafe(self._progress.update, progress)

    def cancel(self, who: str) -> None:
        """Ask the work to end."""
        self.cancelled_by = who
        self.stop.set()
        for told in self._on_cancel:
            told(who)

    def on_cancel(self, told: Callable[[str], None]) -> None:
        """Call `told` with who cancelled; at once, where that has happened already."""
        self._on_cancel.append(told)
        if self.cancelled_by:
            told(self.cancelled_by)

    def check(self) -> None:
        """Raises Cancelled once somebody cancelled the job."""
        if self.cancelled_by:
            raise Cancelled(who=self.cancelled_by)

    async def in_quiet_thread(self, work: Callable[[], T]) -> T:
        """As `in_thread`; the thread and those that it starts have the lowest priority."""
        threads = ThreadPoolExecutor(1, "quiet-job", initializer=_give_way)
        try:
            return await self.in_thread(work, threads)
        finally:
            threads.shutdown(wait=False)

    async def in_thread(self, work: Callable[[], T], threads: Executor | None = None) -> T:
        """Run blocking work in a thread. Where the waiting is cancelled, the thread is told to stop and waited for, so
        that nothing works on behind the back of a core that stops."""
        task = asyncio.get_running_loop().run_in_executor(threads or self._threads, work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self.stop.set()
            await asyncio.wait((task,))
            if not task.cancelled():
                task.exception()
            raise


def _give_way() -> None:
    yield_thread(NICE_LOWEST, idle_disk=True)


class Workflow(Protocol):
    """One kind of job. An instance serves all jobs of its kind; what belongs to one job is in its `JobRun`."""

    kind: ClassVar[JobKind]
    plan: ClassVar[tuple[tuple[str, str], ...]]
    """Ids (of workflows.md where the step is named there) and titles of the steps, in order."""
    resumable: ClassVar[bool]
    """Whether `run` can go on with a job that was running when the core ended; otherwise that job is aborted."""

    def can_resume(self, job: JobRow) -> bool:
        """The same of one job."""
        return self.resumable

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        """What the job must hold to run."""

    def plan_for(self, agent_id: str) -> tuple[tuple[str, str], ...]:
        """The plan of a job at this agent, where it differs."""
        return self.plan

    def skipped_without_agent(self, job: JobRow) -> PhoenixError | None:
        """Why the job is skipped where its agent isn't there; None: it waits for it."""
        return None

    async def run(self, run: JobRun) -> Finish:
        """Do the job. Raises Cancelled, JobAborted, or whatever made it fail."""
