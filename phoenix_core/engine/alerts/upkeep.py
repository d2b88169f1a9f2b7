"""Work on the vault that failed: retention, removals, prune, verify, repair, rebuild of the index."""

from datetime import datetime

from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import Event
from phoenix_core.engine.alerts.condition import Condition, Found
from phoenix_core.engine.alerts.words import moment
from phoenix_core.engine.vault_errors import DamageFound

KINDS = (
    JobKind.RETENTION,
    JobKind.SNAPSHOT_REMOVE,
    JobKind.PRUNE,
    JobKind.VERIFY,
    JobKind.REPAIR,
    JobKind.REBUILD_INDEX,
)
_ENDS = (JobState.SUCCESSFUL, JobState.SUCCESSFUL_WITH_ERRORS, JobState.FAILED, JobState.ABORTED)


class UpkeepSource:
    """What the job of each kind that ended last says counts, whatever the clock said. Damage that a verify found is an
    alert of its own."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._last: dict[JobKind, JobRow] = {}
        self._stale = set(KINDS)

    def heed(self, event: Event) -> bool:
        job = event.job
        if job is None or job.kind not in KINDS or not job.state.is_final:
            return False
        self._stale.add(job.kind)
        return True

    def forget(self) -> None:
        self._stale = set(KINDS)

    async def look(self, now: datetime) -> Found:
        for kind in sorted(self._stale):
            for job in await self._jobs.ended_last(kind, _ENDS):
                self._last[kind] = job
            self._stale.discard(kind)
        found = Found({AlertKind.UPKEEP_FAILED}, [], {})
        for kind, job in self._last.items():
            if job.state in {JobState.FAILED, JobState.ABORTED} and not _found_damage(job):
                found.conditions.append(_failed(kind, job))
            else:
                found.over[AlertKind.UPKEEP_FAILED, kind] = _why_over(job)
        return found


def _why_over(job: JobRow) -> str:
    ended = f"Job {job.id} ended {moment(job.finished_at)}"
    if _found_damage(job):
        return f"{ended}: it found damage, which is an alert of its own."
    return f"{ended}: {job.state.replace('_', ' ')}."


def _found_damage(job: JobRow) -> bool:
    return job.error is not None and job.error.code == DamageFound.code


def _failed(kind: JobKind, job: JobRow) -> Condition:
    how = "failed" if job.state is JobState.FAILED else "was aborted"
    error = job.error
    text = f"{job.title} {how}: {error.message}" if error else f"{job.title} {how}."
    hint = f"`phoenix job show {job.id}` says more; try it again: `phoenix job retry {job.id}`."
    if error is not None and error.hint:
        hint = f"{error.hint} {hint}"
    return Condition(
        AlertKind.UPKEEP_FAILED,
        kind,
        kind.replace("_", " "),
        Severity.WARNING,
        text,
        hint,
        job_id=job.id,
        at=job.finished_at,
    )
