"""Queries on jobs: their states, steps, log lines, missing files and damages."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.errors import IllegalTransition
from phoenix_core.catalog.last_ends import keep_end
from phoenix_core.catalog.rows import DamageRow, JobRow, LogRow, StepRow
from phoenix_core.catalog.stream_names import stream_in
from phoenix_core.catalog.tables import damages, job_files, job_log, jobs, steps
from phoenix_core.domain.states import TRANSITIONS, JobKind, JobState

ACTIVE = frozenset(state for state in JobState if not state.is_final)
FINISHED = frozenset(state for state in JobState if state.is_final)
HINT_CHARS_MAX = 10_000
"""SQLite takes no longer patterns than 50,000 bytes."""


class Jobs:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def add(self, job: JobRow, plan: Sequence[StepRow]) -> None:
        async with self._catalog.writing() as connection:
            await connection.execute(sa.insert(jobs).values(_columns(job)))
            if plan:
                await connection.execute(sa.insert(steps), [_columns(step) for step in plan])
            await keep_end(connection, job)

    async def get(self, job_id: str) -> JobRow | None:
        async with self._catalog.reading() as connection:
            return await _job(connection, job_id)

    async def with_prefix(self, prefix: str, limit: int = 2) -> list[JobRow]:
        async with self._catalog.reading() as connection:
            found = await connection.execute(
                sa.select(jobs).where(jobs.c.id.startswith(prefix, autoescape=True)).order_by(jobs.c.id).limit(limit)
            )
            return [JobRow(**row) for row in found.mappings()]

    async def listed(
        self,
        *,
        states: Iterable[JobState] | None = None,
        server_id: str = "",
        kind: JobKind | None = None,
        limit: int = 50,
        before: JobRow | None = None,
    ) -> list[JobRow]:
        """Newest first. A server's jobs are those on its data and those that its agent does."""
        query = sa.select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        if states is not None:
            query = query.where(jobs.c.state.in_(list(states)))
        if server_id:
            query = query.where(sa.or_(jobs.c.server_id == server_id, jobs.c.agent_id == server_id))
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        if before is not None:
            query = query.where(_is_older_than(before))
        async with self._catalog.reading() as connection:
            return [JobRow(**row) for row in (await connection.execute(query)).mappings()]

    async def in_states(self, states: Iterable[JobState]) -> list[JobRow]:
        """Oldest first: the order in which they are served."""
        async with self._catalog.reading() as connection:
            found = await connection.execute(
                sa.select(jobs).where(jobs.c.state.in_(list(states))).order_by(jobs.c.created_at, jobs.c.id)
            )
            return [JobRow(**row) for row in found.mappings()]

    async def counts(self) -> dict[JobState, int]:
        async with self._catalog.reading() as connection:
            found = await connection.execute(
                sa.select(jobs.c.state, sa.func.count()).where(jobs.c.state.in_(list(ACTIVE))).group_by(jobs.c.state)
            )
            return {row[0]: row[1] for row in found}

    async def last_recorded_backup(self, server_id: str) -> JobRow | None:
        """The newest backup of the server that made a snapshot."""
        return next(iter(await self.recorded_backups(server_id, 1)), None)

    async def recorded_backups(
        self, server_id: str, limit: int, *, hint: str = "", before: JobRow | None = None
    ) -> list[JobRow]:
        """The server's backups that made a snapshot, newest first. `hint`: only those with this text in their request;
        an unusually long one is passed over."""
        query = (
            sa.select(jobs)
            .where(jobs.c.kind == JobKind.FILE_BACKUP, jobs.c.server_id == server_id, jobs.c.snapshot_id != "")
            .where(jobs.c.state.in_(list(FINISHED)))
            .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
            .limit(limit)
        )
        if 0 < len(hint) <= HINT_CHARS_MAX:
            query = query.where(jobs.c.request.contains(hint, autoescape=True))
        if before is not None:
            query = query.where(_is_older_than(before))
        async with self._catalog.reading() as connection:
            return [JobRow(**row) for row in (await connection.execute(query)).mappings()]

    async def ended_last(
        self, kind: JobKind, states: Collection[JobState], limit: int = 1, skip: int = 0
    ) -> list[JobRow]:
        """Those of a kind that are over, in one of these states: the one that ended last comes first, whatever the
        clock said when it did. `skip`: leave out so many."""
        # "None of the others" is the same, but keeps SQLite from gathering and sorting all jobs of these states: it
        # follows the index of their ends instead, and stops.
        others = [state for state in JobState if state not in states]
        ends = (jobs.c.ended_seen_s, jobs.c.finished_at, jobs.c.id)
        query = (
            sa.select(jobs)
            .where(jobs.c.kind == kind, jobs.c.state.not_in(others))
            .order_by(*(column.desc() for column in ends))
            .limit(limit)
            .offset(skip)
        )
        async with self._catalog.reading() as connection:
            return [JobRow(**row) for row in (await connection.execute(query)).mappings()]

    async def last_end_seen_s(self) -> float:
        """The highest reading of `SeenTime` at which a job ended; 0: none has."""
        async with self._catalog.reading() as connection:
            return await connection.scalar(sa.select(sa.func.coalesce(sa.func.max(jobs.c.ended_seen_s), 0.0))) or 0.0

    async def to_retry(self, requested_by: str, ended_after_s: float) -> list[JobRow]:
        """Backups whose `requested_by` begins so, which failed or were aborted after this reading of `SeenTime`, or
        are a retry of such a one that was skipped; were not tried again yet, and since which none of their server's
        files, or of their stream, has ended or is on its way; trials and what was skipped don't count. In the order of
        their ends."""
        other, again = jobs.alias("other"), jobs.alias("again")
        # Not by the clock: behind one that was set back, all that is done anew would be older than what there was.
        ends, of_other = (sa.tuple_(table.c.ended_seen_s, table.c.finished_at, table.c.id) for table in (jobs, other))
        since = (
            sa.select(other.c.id)
            .where(other.c.server_id == jobs.c.server_id, stream_in(other.c.request) == stream_in(jobs.c.request))
            .where(other.c.kind == JobKind.FILE_BACKUP, other.c.state != JobState.SKIPPED)
            .where(sa.not_(other.c.request.contains('"dry_run":true', autoescape=True)))
            .where(sa.or_(other.c.state.in_(list(ACTIVE)), of_other > ends))
        )
        skipped = sa.and_(jobs.c.state == JobState.SKIPPED, jobs.c.retry_of != "")
        query = (
            sa.select(jobs)
            .where(jobs.c.kind == JobKind.FILE_BACKUP)
            .where(sa.or_(jobs.c.state.in_([JobState.FAILED, JobState.ABORTED]), skipped))
            .where(jobs.c.requested_by.startswith(requested_by, autoescape=True))
            .where(jobs.c.ended_seen_s > ended_after_s)
            .where(sa.not_(sa.exists(since)), sa.not_(sa.exists().where(again.c.retry_of == jobs.c.id)))
            .order_by(jobs.c.ended_seen_s, jobs.c.finished_at, jobs.c.id)
        )
        async with self._catalog.reading() as connection:
            return [JobRow(**row) for row in (await connection.execute(query)).mappings()]

    async def move(
        self,
        job_id: str,
        wanted: JobState,
        *,
        expected: Collection[JobState] = tuple(JobState),
        line: tuple[datetime, str, str] | None = None,
        **values: Any,
    ) -> tuple[JobRow, LogRow | None]:
        """Change a job's state and, in the same transaction, other columns, and add a line (when, level, text) to its
        log.

        Raises IllegalTransition; also where the job is in none of the `expected` states."""
        async with self._catalog.writing() as connection:
            job = await _job(connection, job_id)
            if job is None or wanted not in TRANSITIONS[job.state] or job.state not in expected:
                raise IllegalTransition(job=job_id, state="unknown" if job is None else job.state, wanted=wanted)
            moved = await _changed(connection, job_id, state=wanted, **values)
            await keep_end(connection, moved)
            return moved, None if line is None else await _logged(connection, job_id, *line)

    async def update(self, job_id: str, **values: Any) -> JobRow:
        """Change columns other than the state."""
        async with self._catalog.writing() as connection:
            return await _changed(connection, job_id, **values)

    # --- steps -------------------------------------------------------------------------------------------------------

    async def steps(self, job_id: str) -> list[StepRow]:
        async with self._catalog.reading() as connection:
            found = await connection.execute(
                sa.select(steps).where(steps.c.job_id == job_id).order_by(steps.c.position)
            )
            return [StepRow(**row) for row in found.mappings()]

    async def put_steps(self, changed: Sequence[StepRow], report: int | None = None) -> None:
        """Add the steps (of one job) or replace those at their positions. `report`: number of the agent's report that
        tells of them, which is seen from then on."""
        if not changed:
            return
        async with self._catalog.writing() as connection:
            for step in changed:
                at = sa.and_(steps.c.job_id == step.job_id, steps.c.position == step.position)
                done = await connection.execute(sa.update(steps).where(at).values(_columns(step)))
                if done.rowcount == 0:
                    await connection.execute(sa.insert(steps).values(_columns(step)))
            await _saw(connection, changed[0].job_id, report)

    # --- log, files, damages -----------------------------------------------------------------------------------------

    async def add_log(self, job_id: str, at: datetime, level: str, text: str, report: int | None = None) -> LogRow:
        async with self._catalog.writing() as connection:
            line = await _logged(connection, job_id, at, level, text)
            await _saw(connection, job_id, report)
            return line

    async def log(self, job_id: str, after: int = 0, limit: int = 10_000) -> list[LogRow]:
        async with self._catalog.reading() as connection:
            found = await connection.execute(
                sa.select(job_log)
                .where(job_log.c.job_id == job_id, job_log.c.number > after)
                .order_by(job_log.c.number)
                .limit(limit)
            )
            return [LogRow(**row) for row in found.mappings()]

    async def set_files(self, job_id: str, kind: str, files: Sequence[tuple[str, str]]) -> None:
        """The files (path and reason) that a job reports as `missing`, as `note`, or as a kind of its own; replaces
        what was there."""
        async with self._catalog.writing() as connection:
            await connection.execute(sa.delete(job_files).where(job_files.c.job_id == job_id, job_files.c.kind == kind))
            if files:
                await connection.execute(
                    sa.insert(job_files),
                    [
                        {"job_id": job_id, "kind": kind, "position": at, "path": path, "reason": reason}
                        for at, (path, reason) in enumerate(files)
                    ],
                )

    async def files_after(self, job_id: str, kind: str, after: int, limit: int) -> list[tuple[str, str]]:
        """A page of what `set_files` was given under this kind, behind so many."""
        query = (
            sa.select(job_files.c.path, job_files.c.reason)
            .where(job_files.c.job_id == job_id, job_files.c.kind == kind, job_files.c.position >= after)
            .order_by(job_files.c.position)
            .limit(limit)
        )
        async with self._catalog.reading() as connection:
            return [(row[0], row[1]) for row in await connection.execute(query)]

    async def files(self, job_id: str) -> dict[str, list[tuple[str, str]]]:
        """What is missing and the notes, as `set_files` was given them."""
        found: dict[str, list[tuple[str, str]]] = {"missing": [], "note": []}
        query = (
            sa.select(job_files.c.kind, job_files.c.path, job_files.c.reason)
            .where(job_files.c.job_id == job_id, job_files.c.kind.in_(found))
            .order_by(job_files.c.kind, job_files.c.position)
        )
        async with self._catalog.reading() as connection:
            for kind, path, reason in await connection.execute(query):
                found.setdefault(kind, []).append((path, reason))
        return found

    async def set_damages(self, job_id: str, found: Sequence[DamageRow]) -> None:
        async with self._catalog.writing() as connection:
            await connection.execute(sa.delete(damages).where(damages.c.job_id == job_id))
            if found:
                await connection.execute(sa.insert(damages), [_columns(damage) for damage in found])

    async def damages(self, job_id: str) -> list[DamageRow]:
        async with self._catalog.reading() as connection:
            found = await connection.execute(
                sa.select(damages).where(damages.c.job_id == job_id).order_by(damages.c.position)
            )
            return [DamageRow(**row) for row in found.mappings()]


async def _job(connection: AsyncConnection, job_id: str) -> JobRow | None:
    row = (await connection.execute(sa.select(jobs).where(jobs.c.id == job_id))).mappings().first()
    return None if row is None else JobRow(**row)


async def _changed(connection: AsyncConnection, job_id: str, **values: Any) -> JobRow:
    done = await connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(**values).returning(*jobs.c))
    row = done.mappings().first()
    if row is None:
        raise LookupError("the job's row is gone")
    return JobRow(**row)


async def _logged(connection: AsyncConnection, job_id: str, at: datetime, level: str, text: str) -> LogRow:
    last = sa.select(sa.func.coalesce(sa.func.max(job_log.c.number), 0)).where(job_log.c.job_id == job_id)
    values = {"job_id": job_id, "number": last.scalar_subquery() + 1, "at": at, "level": level, "text": text}
    number = await connection.scalar(sa.insert(job_log).values(values).returning(job_log.c.number))
    return LogRow(job_id=job_id, number=int(number or 0), at=at, level=level, text=text)


async def _saw(connection: AsyncConnection, job_id: str, report: int | None) -> None:
    if report is not None:
        await connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(last_report=report))


def _columns(row: JobRow | StepRow | LogRow | DamageRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def _is_older_than(job: JobRow) -> sa.ColumnElement[bool]:
    return sa.or_(jobs.c.created_at < job.created_at, sa.and_(jobs.c.created_at == job.created_at, jobs.c.id < job.id))
