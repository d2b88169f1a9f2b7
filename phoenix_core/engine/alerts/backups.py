"""How the backups of each server go: failed, with errors, skipped, stopped by their window, or none for too long. Its
files and each of its streams are judged by themselves: a good dump says nothing of files that can't be backed up.

What the catalog says of a server is kept in memory until an event tells that it changed: with a thousand servers and a
year of jobs, nobody wants to ask for all of it every minute.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from phoenix_core.catalog.backup_ends import BAD, BackupEnds, LastEnds
from phoenix_core.catalog.rows import JobRow, PeerRow
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.policies import BackupPolicy, ContentRule
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import Event
from phoenix_core.engine.alerts.condition import Condition, Found, Key
from phoenix_core.engine.alerts.handed_over import LAPSED, has_lapsed, is_handed, join
from phoenix_core.engine.alerts.overdue import Overdue
from phoenix_core.engine.alerts.parts import Part
from phoenix_core.engine.alerts.words import moment
from phoenix_core.engine.content import parts_of
from phoenix_core.engine.peer_directory import AGENT, PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.policies.checks import window_of
from phoenix_core.engine.requests import POLICY_ASKS
from phoenix_core.engine.seen_time import SeenTime

T = TypeVar("T")

RETRY_SLACK = timedelta(minutes=10)
"""So long after its time a retry is waited for, before a failure counts."""
CLOCKS_DIFFER = timedelta(hours=1)
_REMOVALS = frozenset({JobKind.SNAPSHOT_REMOVE, JobKind.RETENTION})
_OF_NEWEST = (AlertKind.BACKUP_FAILED, AlertKind.BACKUP_SKIPPED, AlertKind.BACKUP_STOPPED)
"""What the newest backup that ended decides."""
_OF_JOBS = (*_OF_NEWEST, AlertKind.BACKUP_WITH_ERRORS)
_GIVEN_UP = "The rules of its group don't ask for it any more."
_UNSCHEDULED = "It is on no schedule any more."


class BackupSource:
    def __init__(
        self, ends: BackupEnds, directory: PeerDirectory, attached: Attached, overdue: Overdue, seen: SeenTime
    ) -> None:
        self._ends = ends
        self._directory = directory
        self._attached = attached
        self._overdue = overdue
        self._seen = seen
        # Both by server and stream; files under an empty name.
        self._last: dict[str, dict[str, LastEnds]] = {}
        self._good: dict[str, dict[str, datetime]] = {}
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
        rules = await self._attached.rules_by_server()
        found = Found({*_OF_JOBS, AlertKind.NO_BACKUP}, [], {})
        servers = [peer for peer in self._directory.of_role(AGENT) if peer.revoked_at is None]
        for peer in servers:
            await self._look_at_server(peer, policies.get(peer.id), rules.get(peer.id, ()), now, found)
        missed = await self._overdue.of(servers, self._good, policies, rules, now)
        found.conditions += missed.conditions
        found.over |= missed.over
        return found

    async def _look_at_server(
        self,
        server: PeerRow,
        policy: BackupPolicy | None,
        rules: Sequence[ContentRule],
        now: datetime,
        found: Found,
    ) -> None:
        by_stream, asked = {"": LastEnds()} | self._last.get(server.id, {}), parts_of(rules)
        handed = Found(set(), [], {})
        for stream, ends in sorted(by_stream.items()):
            part, last = Part(server, stream, is_all=len(by_stream) == 1), ends.last
            if stream in asked or last is None:
                await self._look_at(part, ends, policy, now, found)
            elif last.requested_by.startswith(POLICY_ASKS) and (stream or rules):
                found.over |= {(kind, part.subject_id): _GIVEN_UP for kind in _OF_JOBS}
            elif not is_handed(last):
                await self._look_at(part, ends, policy, now, found)
            elif has_lapsed(last, self._seen.now_s):
                found.over |= {(kind, part.subject_id): LAPSED for kind in _OF_JOBS}
            else:
                await self._look_at(part, ends, policy, now, handed)
        join(server, handed)
        found.conditions += handed.conditions
        found.over |= handed.over
        found.undecided |= handed.undecided

    async def _look_at(
        self, part: Part, ends: LastEnds, policy: BackupPolicy | None, now: datetime, found: Found
    ) -> None:
        newest = ends.newest
        if newest is not None and await will_be_tried_again(newest, policy, now, self._seen.now_s):
            # Until the last try it is nobody's business that it failed, and nothing that it did before is over.
            found.undecided |= {(kind, part.subject_id) for kind in _OF_NEWEST}
        else:
            found.conditions += _of_failed(part, ends)
            found.over |= _why_over(part, newest, _OF_NEWEST)
        for kind, job, condition in (
            (AlertKind.BACKUP_SKIPPED, ends.skipped, _of_skipped),
            (AlertKind.BACKUP_STOPPED, ends.stopped, _of_stopped),
        ):
            if job is not None and _asks_no_more(job, policy):
                found.over[kind, part.subject_id] = _UNSCHEDULED
            elif job is not None:
                found.conditions.append(condition(part, job))
        found.conditions += _of_errors(part, ends.made, newest)
        found.over |= _why_over(part, ends.made, (AlertKind.BACKUP_WITH_ERRORS,))

    async def _learn(self, now: datetime) -> None:
        stale, self._stale = self._stale, set()
        if stale is not None and not stale:
            return
        try:
            last = await self._ends.last(stale)
            good = await self._ends.last_good(now + CLOCKS_DIFFER, stale)
        except BaseException:
            self._stale = None
            raise
        _replace(self._last, last, stale)
        _replace(self._good, good, stale)


def _asks_no_more(job: JobRow, policy: BackupPolicy | None) -> bool:
    """A schedule asked for it that isn't there any more: only a backup by hand would ever come after it."""
    return job.requested_by.startswith(POLICY_ASKS) and (policy is None or not policy.schedule)


def _of_failed(part: Part, ends: LastEnds) -> Iterable[Condition]:
    job = ends.failed
    if job is None or job.finished_at is None:
        return
    how = "failed" if job.state is JobState.FAILED else "was aborted"
    which = f"The last backup of {part.words} {how}"
    if ends.failures > 1:
        which = f"The last {ends.failures} backups of {part.words} failed, the newest at {moment(job.finished_at)}"
    yield _of_job(AlertKind.BACKUP_FAILED, Severity.ERROR, part, job, which, ends.failures)


def _of_skipped(part: Part, job: JobRow) -> Condition:
    which = f"The last scheduled backup of {part.words} was skipped"
    return _of_job(AlertKind.BACKUP_SKIPPED, Severity.WARNING, part, job, which, 1)


def _of_stopped(part: Part, job: JobRow) -> Condition:
    which = f"The last scheduled backup of {part.words}"
    text = f"{which} was stopped at the end of its backup window, without a snapshot."
    hint = "What it sent stays, and the next one need not send it again."
    if job.started_at is None:
        text = f"{which} was still queued at the end of its backup window."
        hint = "Its turn did not come: the setting jobs.at_once says how many run at once."
    policy = job.requested_by.removeprefix(POLICY_ASKS)
    return Condition(
        kind=AlertKind.BACKUP_STOPPED,
        subject_id=part.subject_id,
        subject=part.subject,
        severity=Severity.WARNING,
        text=text,
        hint=(
            f"{hint} Where this comes again and again, widen the window: `phoenix policy set {policy} --window "
            f"HOURS`. `phoenix job show {job.id}` says how far it came."
        ),
        server_id=part.server.id,
        job_id=job.id,
        at=job.finished_at,
        occurrences=1,
    )


def _of_errors(part: Part, job: JobRow | None, newest: JobRow | None) -> Iterable[Condition]:
    """Only a backup that reads what the one before could not mends that: one that failed doesn't."""
    if job is None or job.finished_at is None or job.state is not JobState.SUCCESSFUL_WITH_ERRORS:
        return
    whose = f"The last backup of {part.words}"
    if newest is not None and newest.id != job.id:
        whose += " that made a snapshot"
    which = f"{whose} ended with errors"
    if job.missing_count:
        which = f"{whose} could not read {amount(job.missing_count, 'entry', 'entries')}"
    yield _of_job(AlertKind.BACKUP_WITH_ERRORS, Severity.WARNING, part, job, which, 1)


async def will_be_tried_again(job: JobRow, policy: BackupPolicy | None, now: datetime, seen_s: float) -> bool:
    """Whether a backup that failed is about to be tried again by its policy; by time that was seen (`seen_s`, a reading
    of `SeenTime`), as retries go, whatever the clock does."""
    if job.state not in BAD or policy is None:
        return False
    if not job.requested_by.startswith(POLICY_ASKS) or job.attempt > policy.retries:
        return False
    left = timedelta(seconds=job.ended_seen_s + policy.retry_delay_s - seen_s)
    return left >= -RETRY_SLACK and (await window_of(policy)).contain(now + left)


def _of_job(kind: AlertKind, severity: Severity, part: Part, job: JobRow, which: str, occurrences: int) -> Condition:
    error = job.error
    text = f"{which}: {error.message}" if error else f"{which}."
    hint = f"`phoenix job show {job.id}` says more."
    if error is not None and error.hint:
        hint = f"{error.hint} {hint}"
    return Condition(
        kind=kind,
        subject_id=part.subject_id,
        subject=part.subject,
        severity=severity,
        text=text,
        hint=hint,
        server_id=part.server.id,
        job_id=job.id,
        at=job.finished_at,
        occurrences=occurrences,
    )


def _why_over(part: Part, newest: JobRow | None, kinds: Iterable[AlertKind]) -> dict[Key, str]:
    ended = "No backup of it is on record any more."
    if newest is not None:
        ended = f"Backup {newest.id} ended {moment(newest.finished_at)}: {newest.state.replace('_', ' ')}."
    return {(kind, part.subject_id): ended for kind in kinds}


def _replace(known: dict[str, T], learnt: dict[str, T], stale: set[str] | None) -> None:
    """Take in what was learnt of these servers; None: of all."""
    for server_id in list(known) if stale is None else stale:
        known.pop(server_id, None)
    known.update(learnt)
