"""Runs jobs: one named task for each, from `running` to its final state."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog

from phoenix_core.catalog.errors import IllegalTransition
from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.errors import Cancelled, ErrorView, PhoenixError
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.catalog_patience import once_there_is_space
from phoenix_core.engine.claims import Claim
from phoenix_core.engine.errors import JobAborted, JobSkipped
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.progress import ProgressBoard
from phoenix_core.engine.workflow import Finish, JobRun, Workflow

JOB_THREADS = 64

log = structlog.get_logger(__name__)


class Runner:
    """Used from the event loop only."""

    def __init__(self, ledger: Ledger, progress: ProgressBoard, workflows: Mapping[JobKind, Workflow]) -> None:
        self._ledger = ledger
        self._progress = progress
        self._workflows = workflows
        self._runs: dict[str, JobRun] = {}
        self._claims: dict[str, tuple[Claim, ...]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._on_freed: list[Callable[[], None]] = []
        # Of their own: work that takes hours must not keep the API from the event loop's few threads.
        self._threads = ThreadPoolExecutor(JOB_THREADS, thread_name_prefix="job")

    def run_of(self, job_id: str) -> JobRun | None:
        return self._runs.get(job_id)

    def on_freed(self, told: Callable[[], None]) -> None:
        """Call `told` each time that a job has ended."""
        self._on_freed.append(told)

    @property
    def busy(self) -> bool:
        return bool(self._runs)

    def running(self) -> list[JobRow]:
        return [run.job for run in self._runs.values()]

    def held(self) -> list[Claim]:
        """The claims of all running jobs."""
        return [claim for claims in self._claims.values() for claim in claims]

    async def start(self, job: JobRow) -> bool:
        """Move a waiting job to `running` and run it; False where it is no longer waiting."""
        run = self._enter(job, resumed=False)
        try:
            run.job = await self._ledger.move(job.id, JobState.RUNNING)
        except BaseException as error:
            self._leave(job.id)
            if isinstance(error, IllegalTransition):
                return False
            raise
        self._launch(run)
        return True

    def resume(self, job: JobRow) -> None:
        """Go on with a job that was running when the core ended."""
        self._progress.begin(job)
        self._launch(self._enter(job, resumed=True))

    async def stop(self) -> None:
        """End all tasks. Their jobs stay `running` in the catalog: the next start of the core picks them up."""
        tasks = list(self._tasks.values())
        for run in self._runs.values():
            run.stop.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False)

    async def ended(self, job_id: str) -> None:
        """Wait until the job's task is over; at once where it isn't running."""
        task = self._tasks.get(job_id)
        if task is not None:
            await asyncio.wait((task,))

    def _enter(self, job: JobRow, *, resumed: bool) -> JobRun:
        run = JobRun(job, self._ledger, self._progress, self._threads, resumed=resumed)
        self._runs[job.id] = run
        self._claims[job.id] = self._workflows[job.kind].claims(job)
        return run

    def _leave(self, job_id: str) -> None:
        self._runs.pop(job_id, None)
        self._claims.pop(job_id, None)
        self._tasks.pop(job_id, None)
        for told in self._on_freed:
            told()

    def _launch(self, run: JobRun) -> None:
        workflow = self._workflows[run.job.kind]
        self._tasks[run.job.id] = asyncio.create_task(self._run(workflow, run), name=f"job {run.job.id}")

    async def _run(self, workflow: Workflow, run: JobRun) -> None:
        try:
            outcome = await self._outcome(workflow, run)
            await once_there_is_space(lambda: self._finish(run.job.id, *outcome))
        except Exception:
            # The catalog refused the job's end; the next start of the core takes the job up again.
            log.exception("job could not be ended", job=run.job.id)
        finally:
            self._leave(run.job.id)

    async def _outcome(self, workflow: Workflow, run: JobRun) -> tuple[Finish, ErrorView | None]:
        try:
            finish = await workflow.run(run)
        except Cancelled as error:
            who = run.cancelled_by or str(error.fields["who"])
            return Finish(state=JobState.CANCELLED), Cancelled(who=who, job=run.job.id).view()
        except JobAborted as error:
            return Finish(state=JobState.ABORTED), error.of_job(run.job.id, run.job.kind).view()
        except PhoenixError as error:
            if run.cancelled_by:
                return Finish(state=JobState.CANCELLED), Cancelled(who=run.cancelled_by, job=run.job.id).view()
            state = JobState.SKIPPED if isinstance(error, JobSkipped) else JobState.FAILED
            return Finish(state=state), error.view()
        except Exception as error:
            log.exception("job failed unexpectedly", job=run.job.id)
            view = PhoenixError(detail=f"{type(error).__name__}: {error}").view()
            return Finish(state=JobState.FAILED), view
        return finish, finish.error

    async def _finish(self, job_id: str, finish: Finish, error: ErrorView | None) -> None:
        await self._ledger.end_steps(job_id, error)
        values: dict[str, object] = {"error": error, "outcome": None}
        if finish.result:
            values["result"] = (await self._ledger.job(job_id)).result | finish.result
        if finish.snapshot_id:
            values["snapshot_id"] = finish.snapshot_id
        if finish.missing_count:
            values["missing_count"] = finish.missing_count
        if error is not None:
            await self._ledger.note(job_id, error.message, "error")
        await self._ledger.move(job_id, finish.state, **values)
