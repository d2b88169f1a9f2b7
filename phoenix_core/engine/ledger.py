"""Every change of a job, its steps and its log: written to the catalog, then told to whoever follows the events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog

from phoenix_core.catalog.errors import CatalogFull
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow, LogRow, StepRow
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import ErrorView, NotFound
from phoenix_core.domain.ids import new_job_id
from phoenix_core.domain.states import JobKind, JobState, StepState
from phoenix_core.domain.views import JobView, LogLineView, MissingView, StepView
from phoenix_core.engine.errors import NotOfThisJob
from phoenix_core.engine.events import EventBus
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.progress import ProgressBoard
from phoenix_core.engine.requests import is_check
from phoenix_core.engine.seen_time import SeenTime

FILES_IN_VIEW = 1000
_LEVEL_OF_END = {
    JobState.SUCCESSFUL: "info",
    JobState.CANCELLED: "info",
    JobState.SKIPPED: "info",
    JobState.SUCCESSFUL_WITH_ERRORS: "warning",
}

log = structlog.get_logger(__name__)


class _Kept(msgspec.Struct):
    """A job that isn't over, as the catalog has it."""

    job: JobRow
    steps: list[StepRow]


class Ledger:
    """The one writer of jobs, used from the event loop only. Jobs that aren't over are also kept in memory, since their
    steps are told with each change."""

    def __init__(
        self,
        jobs: Jobs,
        events: EventBus,
        progress: ProgressBoard,
        directory: PeerDirectory,
        clock: Clock,
        seen: SeenTime,
    ) -> None:
        self.jobs = jobs
        self._events = events
        self._progress = progress
        self._directory = directory
        self._clock = clock
        self._seen = seen
        self._kept: dict[str, _Kept] = {}

    # --- jobs --------------------------------------------------------------------------------------------------------

    async def create(
        self,
        kind: JobKind,
        title: str,
        request: str,
        plan: Sequence[tuple[str, str]],
        who: str,
        *,
        server_id: str = "",
        agent_id: str = "",
        retry_of: str = "",
        attempt: int = 1,
        job_id: str = "",
        skipped: ErrorView | None = None,
    ) -> JobRow:
        """A new job in state `queued`, or `skipped` for this reason. `plan`: id and title of its steps. `job_id`: its
        id; empty: a random one."""
        now = self._clock.now()
        job = JobRow(
            id=job_id or new_job_id(),
            kind=kind,
            state=JobState.SKIPPED if skipped else JobState.QUEUED,
            title=title,
            server_id=server_id,
            agent_id=agent_id,
            requested_by=who,
            created_at=now,
            finished_at=now if skipped else None,
            ended_seen_s=self._seen.now_s if skipped else 0,
            request=request,
            error=skipped,
            retry_of=retry_of,
            attempt=attempt,
        )
        state = StepState.SKIPPED if skipped else StepState.PENDING
        steps = [StepRow(job.id, at, step, text, state) for at, (step, text) in enumerate(plan)]
        await self.jobs.add(job, steps)
        log.info("job " + job.state, job=job.id, kind=str(kind), who=who)
        kept = _Kept(job, steps)
        if not skipped:
            self._kept[job.id] = kept
        self._tell(kept)
        return job

    async def job(self, job_id: str) -> JobRow:
        """Raises NotFound."""
        return (await self._look(job_id)).job

    async def job_of(self, agent_id: str, job_id: str) -> JobRow:
        """As an agent names it. Raises NotOfThisJob where it is none of that agent's."""
        try:
            job = await self.job(job_id)
        except NotFound as error:
            raise NotOfThisJob(job=job_id[:40], detail="there is no such job") from error
        if job.agent_id != agent_id:
            raise NotOfThisJob(job=job_id[:40], detail="it is not a job of this agent")
        return job

    async def move(self, job_id: str, state: JobState, **values: Any) -> JobRow:
        """Change the job's state; of `values` see `Jobs.move`. Raises IllegalTransition."""
        now = self._clock.now()
        if state is JobState.RUNNING:
            values.setdefault("started_at", now)
        if state.is_final:
            values.setdefault("finished_at", now)
            values.setdefault("ended_seen_s", self._seen.now_s)
        kept = await self._look(job_id)
        error = values.get("error", kept.job.error)
        text, level = _line_of(state, error)
        line = (now, level, text) if text else None
        try:
            kept.job, noted = await self.jobs.move(job_id, state, line=line, **values)
        except CatalogFull as full:  # the state itself matters more, and what depends on it must go on
            kept.job, noted = await self.jobs.move(job_id, state, **values)
            log.warning("the job's log lacks its change of state", job=job_id, state=str(state), error=full.message)
        log.info("job " + state, job=job_id)
        if noted is not None:
            self._events.publish("log", job_id=job_id, log=log_line_view(noted))
        if state is JobState.RUNNING:
            self._progress.begin(kept.job)
        self._tell(kept)
        if state.is_final:
            self._progress.end(job_id)
            self._kept.pop(job_id, None)
        return kept.job

    async def update(self, job_id: str, *, tell: bool = True, **values: Any) -> JobRow:
        """Change columns other than the state."""
        kept = await self._look(job_id)
        kept.job = await self.jobs.update(job_id, **values)
        if tell:
            self._tell(kept)
        return kept.job

    async def _look(self, job_id: str) -> _Kept:
        kept = self._kept.get(job_id)
        if kept is not None:
            return kept
        job = await self.jobs.get(job_id)
        if job is None:
            raise NotFound(what="job", name=job_id)
        found = _Kept(job, await self.jobs.steps(job_id))
        return found if job.state.is_final else self._kept.setdefault(job_id, found)

    # --- steps -------------------------------------------------------------------------------------------------------

    async def record_step(
        self,
        job_id: str,
        step: str,
        state: StepState,
        *,
        detail: str = "",
        error: ErrorView | None = None,
        at: datetime | None = None,
        report: int | None = None,
    ) -> None:
        """Note that a step began or ended; one that the plan doesn't name is added at its end. `report`: number of the
        agent's report that says so."""
        kept = await self._look(job_id)
        when = at or self._clock.now()
        row = next((each for each in kept.steps if each.step == step), None)
        if row is None:
            row = StepRow(job_id=job_id, position=len(kept.steps), step=step, title=step)
            kept.steps.append(row)
        changes: dict[str, Any] = {"state": state, "error": error, "detail": detail or row.detail}
        if state is StepState.RUNNING:
            changes["started_at"], changes["finished_at"] = when, None
        elif state in {StepState.DONE, StepState.FAILED}:
            changes["started_at"], changes["finished_at"] = row.started_at or when, when
        kept.steps[row.position] = msgspec.structs.replace(row, **changes)
        if report is not None:
            kept.job = msgspec.structs.replace(kept.job, last_report=report)
        await self.jobs.put_steps([kept.steps[row.position]], report)
        self._tell(kept)

    async def end_steps(self, job_id: str, error: ErrorView | None) -> None:
        """At a job's end: what still runs failed with this error (or is done), what never began is skipped."""
        kept = await self._look(job_id)
        changed: list[StepRow] = []
        for row in kept.steps:
            if row.state is StepState.RUNNING:
                state = StepState.DONE if error is None else StepState.FAILED
                changed.append(msgspec.structs.replace(row, state=state, error=error, finished_at=self._clock.now()))
            elif row.state is StepState.PENDING:
                changed.append(msgspec.structs.replace(row, state=StepState.SKIPPED))
        for row in changed:
            kept.steps[row.position] = row
        await self.jobs.put_steps(changed)

    # --- log ---------------------------------------------------------------------------------------------------------

    async def note(
        self, job_id: str, text: str, level: str = "info", at: datetime | None = None, report: int | None = None
    ) -> None:
        """Add a line to the job's log."""
        line = await self.jobs.add_log(job_id, at or self._clock.now(), level, text, report)
        kept = self._kept.get(job_id)
        if kept is not None and report is not None:
            kept.job = msgspec.structs.replace(kept.job, last_report=report)
        self._events.publish("log", job_id=job_id, log=log_line_view(line))

    # --- views -------------------------------------------------------------------------------------------------------

    async def view(self, job_id: str) -> JobView:
        """The job with its steps and files. Raises NotFound."""
        return await self.full(await self.job(job_id))

    async def full(self, job: JobRow) -> JobView:
        kept = self._kept.get(job.id)
        steps = await self.jobs.steps(job.id) if kept is None else kept.steps
        files = await self.jobs.files(job.id)
        return msgspec.structs.replace(
            self._with_steps(job, steps),
            missing=tuple(MissingView(path, reason) for path, reason in files["missing"][:FILES_IN_VIEW]),
            notes=tuple(MissingView(path, reason) for path, reason in files["note"][:FILES_IN_VIEW]),
        )

    def brief(self, job: JobRow) -> JobView:
        """The job as it stands in lists."""
        return JobView(
            id=job.id,
            kind=job.kind,
            state=job.state,
            title=job.title,
            server_id=job.server_id,
            server_name=self._directory.name_of(job.server_id) if job.server_id else "",
            requested_by=job.requested_by,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            snapshot_id=job.snapshot_id,
            progress=self._progress.of(job.id),
            held_up=self._progress.held_up(job.id),
            error=job.error,
            missing_count=job.missing_count,
            result=job.result,
            retry_of=job.retry_of,
            attempt=job.attempt,
            agent_name=self._directory.name_of(job.agent_id) if job.agent_id else "",
            check_only=job.kind is JobKind.FILE_RESTORE and is_check(job.request),
        )

    def _with_steps(self, job: JobRow, steps: Sequence[StepRow]) -> JobView:
        return msgspec.structs.replace(self.brief(job), steps=tuple(step_view(step) for step in steps))

    def tell(self, job_id: str) -> None:
        """What isn't kept in the catalog has changed of a job that runs."""
        kept = self._kept.get(job_id)
        if kept is not None:
            self._tell(kept)

    def _tell(self, kept: _Kept) -> None:
        self._events.publish("job", job_id=kept.job.id, job=self._with_steps(kept.job, kept.steps))


def _line_of(state: JobState, error: ErrorView | None) -> tuple[str, str]:
    """What the log says of a change of state, and its level."""
    if state is JobState.RUNNING:
        return "The job begins.", "info"
    if state is JobState.WAITING_FOR_AGENT:
        return "The agent is away; the job waits for it.", "info"
    if state.is_final:
        why = f" {error.message}" if error is not None else ""
        return f"The job ended: {state.replace('_', ' ')}.{why}", _LEVEL_OF_END.get(state, "error")
    return "", "info"


def step_view(step: StepRow) -> StepView:
    return StepView(
        id=step.step,
        title=step.title,
        state=step.state,
        started_at=step.started_at,
        finished_at=step.finished_at,
        detail=step.detail,
        error=step.error,
    )


def log_line_view(line: LogRow) -> LogLineView:
    return LogLineView(number=line.number, at=line.at, level=line.level, text=line.text)
