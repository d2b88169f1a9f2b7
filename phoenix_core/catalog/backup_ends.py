"""Queries on how the backups of each server ended, for who watches over all of them. Dry runs don't count, nor does
what somebody cancelled. A server's files and each of its streams are told apart: by stream, files under an empty name.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

import msgspec
import sqlalchemy as sa

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.rows import BackupEnd, JobRow
from phoenix_core.catalog.tables import jobs, last_ends, snapshots
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.streams import FOLDER, name_of

GOOD = (JobState.SUCCESSFUL, JobState.SUCCESSFUL_WITH_ERRORS)
BAD = (JobState.FAILED, JobState.ABORTED)


class LastEnds(msgspec.Struct, frozen=True):
    """How the backups of a server's files, or of one of its streams, ended last: in the order in which they did,
    whatever the clock said."""

    made: JobRow | None = None
    """The newest that made a snapshot, of all or not of all that it was to read."""
    failed: JobRow | None = None
    """The newest that failed or was aborted since then."""
    failures: int = 0
    """How many did since then."""
    skipped: JobRow | None = None
    """The newest that was skipped since all of these."""
    stopped: JobRow | None = None
    """The newest that the end of its policy's window stopped since then."""

    @property
    def newest(self) -> JobRow | None:
        """The one that ended last, well or not; those that were skipped or stopped are left out."""
        return self.failed or self.made

    @property
    def last(self) -> JobRow | None:
        """The one that ended last, however it did."""
        since = [job for job in (self.skipped, self.stopped) if job is not None]
        return max(since, key=lambda job: (job.ended_seen_s, job.id), default=self.newest)


class BackupEnds:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def last(self, server_ids: Collection[str] | None = None) -> dict[str, dict[str, LastEnds]]:
        """By server and stream. None: of all servers."""
        query = sa.select(last_ends.c.stream, last_ends.c.how, last_ends.c.in_a_row, jobs)
        query = query.join_from(last_ends, jobs, jobs.c.id == last_ends.c.job_id)
        if server_ids is not None:
            query = query.where(last_ends.c.server_id.in_(list(server_ids)))
        found: defaultdict[str, dict[str, LastEnds]] = defaultdict(dict)
        async with self._catalog.reading() as connection:
            for row in (await connection.execute(query)).mappings():
                values = dict(row)
                stream, how, in_a_row = (values.pop(name) for name in ("stream", "how", "in_a_row"))
                of_server, job = found[row["server_id"]], JobRow(**values)
                changed: dict[str, object] = {how: job}
                if how is BackupEnd.FAILED:
                    changed["failures"] = in_a_row
                of_server[stream] = msgspec.structs.replace(of_server.get(stream, LastEnds()), **changed)
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


def _counts(states: Collection[JobState], server_ids: Collection[str] | None) -> sa.ColumnElement[bool]:
    counts = sa.and_(
        jobs.c.kind == JobKind.FILE_BACKUP,
        jobs.c.state.in_(list(states)),
        sa.not_(jobs.c.request.contains('"dry_run":true', autoescape=True)),
    )
    return counts if server_ids is None else sa.and_(counts, jobs.c.server_id.in_(list(server_ids)))
