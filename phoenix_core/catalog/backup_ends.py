"""Queries on how the backups of each server ended, for who watches over all of them. Dry runs don't count, nor does
what somebody cancelled. A server's files and each of its streams are told apart: by stream, files under an empty name.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.rows import JobRow
from phoenix_core.catalog.stream_names import stream_in
from phoenix_core.catalog.tables import jobs, snapshots
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.streams import FOLDER, name_of

GOOD = (JobState.SUCCESSFUL, JobState.SUCCESSFUL_WITH_ERRORS)
BAD = (JobState.FAILED, JobState.ABORTED)

_STREAM = stream_in(jobs.c.request)


class BackupEnds:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def newest(self, server_ids: Collection[str] | None = None) -> dict[str, dict[str, JobRow]]:
        """By server and stream, the backup that ended last, well or not; skipped ones are left out. None: of all."""
        return await self._newest((*GOOD, *BAD), server_ids)

    async def newest_made(self, server_ids: Collection[str] | None = None) -> dict[str, dict[str, JobRow]]:
        """By server and stream, the newest backup that made a snapshot, of all or not of all that it was to read."""
        return await self._newest(GOOD, server_ids)

    async def newest_skipped(self, server_ids: Collection[str] | None = None) -> dict[str, dict[str, JobRow]]:
        """By server and stream, the backup that was skipped last."""
        return await self._newest((JobState.SKIPPED,), server_ids)

    async def newest_stopped(self, by: str, server_ids: Collection[str] | None = None) -> dict[str, dict[str, JobRow]]:
        """By server and stream, the backup that was cancelled last by who is named so to begin with."""
        stopped = jobs.c.cancelled_by.startswith(by, autoescape=True)
        return await self._newest((JobState.CANCELLED,), server_ids, stopped)

    async def failures(self, server_ids: Collection[str]) -> dict[str, dict[str, int]]:
        """By server and stream, how many backups in a row have failed or were aborted, up to now."""
        good = jobs.alias("good")
        later = (
            sa.select(good.c.id)
            .where(good.c.server_id == jobs.c.server_id, good.c.kind == JobKind.FILE_BACKUP)
            .where(stream_in(good.c.request) == _STREAM)
            .where(good.c.state.in_(GOOD), sa.not_(good.c.request.contains('"dry_run":true', autoescape=True)))
            .where(good.c.finished_at > jobs.c.finished_at)
        )
        query = (
            sa.select(jobs.c.server_id, _STREAM, sa.func.count())
            .where(_counts(BAD, server_ids), sa.not_(sa.exists(later)))
            .group_by(jobs.c.server_id, _STREAM)
        )
        found: dict[str, dict[str, int]] = defaultdict(dict)
        async with self._catalog.reading() as connection:
            for server_id, stream, count in await connection.execute(query):
                found[server_id][stream] = count
        return dict(found)

    async def last_good(
        self, until: datetime, server_ids: Collection[str] | None = None
    ) -> dict[str, dict[str, datetime]]:
        """By server and stream, when the newest snapshot was recorded that can be read. Those of a time to come, as a
        clock that was wrong leaves them, are left out."""
        paths = sa.type_coerce(snapshots.c.paths, sa.Text)
        of_streams = sa.case((paths.startswith(f'["{FOLDER}/', autoescape=True), paths), else_="")
        query = (
            sa.select(snapshots.c.server_id, snapshots.c.paths, sa.func.max(snapshots.c.recorded_at))
            .where(snapshots.c.readable, snapshots.c.recorded_at <= until, snapshots.c.removed_at.is_(None))
            .group_by(snapshots.c.server_id, of_streams)
        )
        if server_ids is not None:
            query = query.where(snapshots.c.server_id.in_(list(server_ids)))
        found: dict[str, dict[str, datetime]] = defaultdict(dict)
        async with self._catalog.reading() as connection:
            for server_id, of_paths, at in await connection.execute(query):
                by_stream, stream = found[server_id], name_of(of_paths)
                by_stream[stream] = max(at, by_stream.get(stream, at))
        return dict(found)

    async def first_good(self, server_ids: Collection[str]) -> dict[str, datetime]:
        """By server, when the oldest snapshot was recorded that can be read."""
        query = (
            sa.select(snapshots.c.server_id, sa.func.min(snapshots.c.recorded_at))
            .where(snapshots.c.readable, snapshots.c.removed_at.is_(None))
            .where(snapshots.c.server_id.in_(list(server_ids)))
        )
        async with self._catalog.reading() as connection:
            return {row[0]: row[1] for row in await connection.execute(query.group_by(snapshots.c.server_id))}

    async def counts_since(self, after: datetime) -> dict[JobState, int]:
        """How many backups ended in each state after this time."""
        query = (
            sa.select(jobs.c.state, sa.func.count())
            .where(_counts((*GOOD, *BAD, JobState.SKIPPED, JobState.CANCELLED), None), jobs.c.finished_at > after)
            .group_by(jobs.c.state)
        )
        async with self._catalog.reading() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def _newest(
        self, states: Collection[JobState], server_ids: Collection[str] | None, *more: sa.ColumnElement[bool]
    ) -> dict[str, dict[str, JobRow]]:
        counts = sa.and_(_counts(states, server_ids), *more)
        newest = (
            sa.select(jobs.c.server_id, _STREAM.label("stream"), sa.func.max(jobs.c.finished_at).label("finished_at"))
            .where(counts)
            .group_by(jobs.c.server_id, _STREAM)
            .subquery()
        )
        same = sa.and_(jobs.c.server_id == newest.c.server_id, jobs.c.finished_at == newest.c.finished_at, counts)
        query = (
            sa.select(newest.c.stream, jobs).select_from(jobs).join(newest, sa.and_(same, newest.c.stream == _STREAM))
        )
        found: dict[str, dict[str, JobRow]] = defaultdict(dict)
        async with self._catalog.reading() as connection:
            for row in (await connection.execute(query.order_by(jobs.c.id))).mappings():
                values = dict(row)
                of_stream = values.pop("stream")
                found[row["server_id"]][of_stream] = JobRow(**values)
        return dict(found)


def _counts(states: Collection[JobState], server_ids: Collection[str] | None) -> sa.ColumnElement[bool]:
    counts = sa.and_(
        jobs.c.kind == JobKind.FILE_BACKUP,
        jobs.c.state.in_(list(states)),
        sa.not_(jobs.c.request.contains('"dry_run":true', autoescape=True)),
    )
    return counts if server_ids is None else sa.and_(counts, jobs.c.server_id.in_(list(server_ids)))
