"""After a restart of the core: jobs that were running are picked up again, or aborted."""

from collections.abc import Mapping

import structlog

from phoenix_core.catalog.jobs import Jobs
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.errors import JobAborted
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.runner import Runner
from phoenix_core.engine.workflow import Workflow

log = structlog.get_logger(__name__)


async def recover(jobs: Jobs, ledger: Ledger, runner: Runner, workflows: Mapping[JobKind, Workflow]) -> None:
    """Call before the agent link opens: an agent that connects at once must find its jobs. May be called again."""
    for job in await jobs.in_states([JobState.RUNNING, JobState.WAITING_FOR_PROXY, JobState.WAITING_FOR_THAW]):
        if runner.run_of(job.id) is not None:
            continue
        if workflows[job.kind].can_resume(job) and job.state is JobState.RUNNING:
            log.info("job picked up", job=job.id)
            await ledger.note(job.id, "The core was started again; the job goes on.")
            runner.resume(job)
            continue
        error = JobAborted(detail="The core was stopped while the job ran").of_job(job.id, job.kind).view()
        await ledger.end_steps(job.id, error)
        await ledger.move(job.id, JobState.ABORTED, error=error)
