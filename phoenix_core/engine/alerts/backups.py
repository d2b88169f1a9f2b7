"""How the backups of each server go: failed, with errors, skipped, or none for too long.

What the catalog says of a server is kept in memory until an event tells that it changed: with a thousand servers and a
year of jobs, nobody wants to ask for all of it every minute.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from phoenix_core.catalog.backup_ends import BAD, BackupEnds
from phoenix_core.catalog.rows import JobRow, PeerRow
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.policies import BackupPolicy
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import Event
from phoenix_core.engine.alerts.condition import Condition, Found, Key
from phoenix_core.engine.alerts.overdue import Overdue
from phoenix_core.engine.alerts.words import moment
from phoenix_core.engine.peer_directory import AGENT, PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.policies.checks import window_of
from phoenix_core.engine.requests import POLICY_ASKS

T = TypeVar("T")

RETRY_SLACK = timedelta(minutes=10)
"""So long after its time a retry is waited for, before a failure counts."""
CLOCKS_DIFFER = timedelta(hours=1)
_REMOVALS = frozenset({JobKind.SNAPSHOT_REMOVE, JobKind.RETENTION})
_OF_NEWEST = (AlertKind.BACKUP_FAILED, AlertKind.BACKUP_SKIPPED)
"""What the newest backup that ended decides."""


class BackupSource:
    def __init__(self, ends: BackupEnds, directory: PeerDirectory, attached: Attached, overdue: Overdue) -> None:
        self._ends = ends
        self._directory = directory
        self._attached = attached
        self._overdue = overdue
        self._newest: dict[str, JobRow] = {}
        self._made: dict[str, JobRow] = {}
        """The newest that made a snapshot."""
        self._skipped: dict[str, JobRow] = {}
        self._failures: dict[str, int] = {}
        self._good: dict[str, datetime] = {}
        self._stale: set[str] | None = None
        """Servers to ask the catalog about; None: all."""

    def heed(self, event: Event) -> bool:
        job = event.job
        if event.snapshot is not None:
            self._ask_about(event.snapshot.server_id)
        elif job is None or not job.state.is_final:
            return False
        elif job.kind is JobKind.FILE_BACKUP:
            self._ask_about(job.server_id)
        elif job.kind in _REMOVALS:
            self.forget()
        else:
            return False
        return True

    def forget(self) -> None:
        self._stale = None

    def _ask_about(self, server_id: str) -> None:
        if self._stale is not None:
            self._stale.add(server_id)

    async def look(self, now: datetime) -> Found:
        await self._learn(now)
        policies = await self._attached.policies_by_server()
        found = Found({*_OF_NEWEST, AlertKind.BACKUP_WITH_ERRORS, AlertKind.NO_BACKUP}, [], {})
        servers = [peer for peer in self._directory.of_role(AGENT) if peer.revoked_at is None]
        for peer in servers:
            newest = self._newest.get(peer.id)
            if newest is not None and await will_be_tried_again(newest, policies.get(peer.id), now):
                # Until the last try it is nobody's business that it failed, and nothing that it did before is over.
                found.undecided |= {(kind, peer.id) for kind in _OF_NEWEST}
            else:
                found.conditions += self._of_failed(peer, newest)
                found.over |= _why_over(peer.id, newest, _OF_NEWEST)
            found.conditions += self._of_skipped(peer, newest)
            made = self._made.get(peer.id)
            found.conditions += _of_errors(peer, made, newest)
            found.over |= _why_over(peer.id, made, (AlertKind.BACKUP_WITH_ERRORS,))
        missed = await self._overdue.of(servers, self._good, policies, now)
        found.conditions += missed.conditions
        found.over |= missed.over
        return found

    async def _learn(self, now: datetime) -> None:
        stale, self._stale = self._stale, set()
        if stale is not None and not stale:
            return
        try:
            newest = await self._ends.newest(stale)
            made = await self._ends.newest_made(stale)
            skipped = await self._ends.newest_skipped(stale)
            good = await self._ends.last_good(now + CLOCKS_DIFFER, stale)
            failing = [server_id for server_id, job in newest.items() if job.state in BAD]
            failures = await self._ends.failures(failing) if failing else {}
        except BaseException:
            self._stale = None
            raise
        _replace(self._newest, newest, stale)
        _replace(self._made, made, stale)
        _replace(self._skipped, skipped, stale)
        _replace(self._good, good, stale)
        _replace(self._failures, failures, stale)

    def _of_failed(self, peer: PeerRow, job: JobRow | None) -> Iterable[Condition]:
        if job is None or job.finished_at is None or job.state not in BAD:
            return
        failures = self._failures.get(peer.id, 1)
        how = "failed" if job.state is JobState.FAILED else "was aborted"
        which = f"The last backup of {peer.name} {how}"
        if failures > 1:
            which = f"The last {failures} backups of {peer.name} failed, the newest at {moment(job.finished_at)}"
        yield _of_job(AlertKind.BACKUP_FAILED, Severity.ERROR, peer, job, which, failures)

    def _of_skipped(self, peer: PeerRow, newest: JobRow | None) -> Iterable[Condition]:
        job = self._skipped.get(peer.id)
        if job is None or job.finished_at is None:
            return
        if newest is None or newest.finished_at is None or newest.finished_at < job.finished_at:
            which = f"The last scheduled backup of {peer.name} was skipped"
            yield _of_job(AlertKind.BACKUP_SKIPPED, Severity.WARNING, peer, job, which, 1)


def _of_errors(peer: PeerRow, job: JobRow | None, newest: JobRow | None) -> Iterable[Condition]:
    """Only a backup that reads what the one before could not mends that: one that failed doesn't."""
    if job is None or job.finished_at is None or job.state is not JobState.SUCCESSFUL_WITH_ERRORS:
        return
    whose = f"The last backup of {peer.name}"
    if newest is not None and newest.id != job.id:
        whose += " that made a snapshot"
    which = f"{whose} ended with errors"
    if job.missing_count:
        which = f"{whose} could not read {amount(job.missing_count, 'entry', 'entries')}"
    yield _of_job(AlertKind.BACKUP_WITH_ERRORS, Severity.WARNING, peer, job, which, 1)


async def will_be_tried_again(job: JobRow, policy: BackupPolicy | None, now: datetime) -> bool:
    """Whether a backup that failed is about to be tried again by its policy."""
    if job.state not in BAD or job.finished_at is None or policy is None:
        return False
    if not job.requested_by.startswith(POLICY_ASKS) or job.attempt > policy.retries:
        return False
    due = job.finished_at + timedelta(seconds=policy.retry_delay_s)
    return job.finished_at <= now <= due + RETRY_SLACK and (await window_of(policy)).contain(due)


def _of_job(kind: AlertKind, severity: Severity, peer: PeerRow, job: JobRow, which: str, occurrences: int) -> Condition:
    error = job.error
    text = f"{which}: {error.message}" if error else f"{which}."
    hint = f"`phoenix job show {job.id}` says more."
    if error is not None and error.hint:
        hint = f"{error.hint} {hint}"
    return Condition(
        kind=kind,
        subject_id=peer.id,
        subject=peer.name,
        severity=severity,
        text=text,
        hint=hint,
        server_id=peer.id,
        job_id=job.id,
        at=job.finished_at,
        occurrences=occurrences,
    )


def _why_over(server_id: str, newest: JobRow | None, kinds: Iterable[AlertKind]) -> dict[Key, str]:
    ended = "No backup of it is on record any more."
    if newest is not None:
        ended = f"Backup {newest.id} ended {moment(newest.finished_at)}: {newest.state.replace('_', ' ')}."
    return {(kind, server_id): ended for kind in kinds}


def _replace(known: dict[str, T], learnt: dict[str, T], stale: set[str] | None) -> None:
    """Take in what was learnt of these servers; None: of all."""
    for server_id in list(known) if stale is None else stale:
        known.pop(server_id, None)
    known.update(learnt)
