"""Queries on dumps that agents hand over by themselves, without an order of the core: whoever has an agent's
certificate can do that whenever he likes."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

import msgspec
import sqlalchemy as sa

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.stream_names import handed_in, stream_in
from phoenix_core.catalog.tables import jobs, snapshots
from phoenix_core.domain.streams import FOLDER

PAGE_ROWS = 2000
_DAY = timedelta(days=1) // timedelta(microseconds=1)
_EPOCH = date(1970, 1, 1)
_HANDED = handed_in(jobs.c.request) != ""


class DumpsOfDay(msgspec.Struct, frozen=True):
    """What a server's agent handed over of one stream on one day, UTC."""

    server_id: str
    stream: str
    day: date
    asked: int
    """However they ended."""
    made: int
    """Those that became a snapshot."""


class HandedDumps:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def snapshot_ids(self) -> frozenset[str]:
        """The snapshots of streams that no order of the core asked for. One whose job isn't known any more, as after
        the loss of the catalog, is among them: in doubt retention keeps more."""
        of_streams = sa.type_coerce(snapshots.c.paths, sa.Text).startswith(f'["{FOLDER}/', autoescape=True)
        query = (
            sa.select(snapshots.c.id, snapshots.c.sequence)
            .select_from(snapshots.outerjoin(jobs, jobs.c.id == snapshots.c.job_id))
            .where(of_streams, sa.or_(jobs.c.id.is_(None), _HANDED))
            .order_by(snapshots.c.sequence)
            .limit(PAGE_ROWS)
        )
        found: set[str] = set()
        after = -1
        async with self._catalog.reading() as connection:
            while True:
                rows = (await connection.execute(query.where(snapshots.c.sequence > after))).all()
                found.update(row[0] for row in rows)
                if len(rows) < PAGE_ROWS:
                    return frozenset(found)
                after = rows[-1][1]

    async def asked_on(self, server_id: str, at: datetime) -> int:
        """How many the server asked for on the day, UTC, of this time, up to now."""
        begin = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        query = sa.select(sa.func.count()).where(
            jobs.c.server_id == server_id,
            jobs.c.created_at >= begin,
            jobs.c.created_at < begin + timedelta(days=1),
            _HANDED,
        )
        async with self._catalog.reading() as connection:
            return int(await connection.scalar(query) or 0)

    async def by_day(self, since: datetime, server_ids: Collection[str] | None = None) -> list[DumpsOfDay]:
        """Of each server, stream and day with any, the oldest day first. `server_ids` None: of all."""
        stream = stream_in(jobs.c.request).label("stream")
        whole_day = sa.literal_column(str(_DAY), sa.BigInteger)
        day = (sa.type_coerce(jobs.c.created_at, sa.BigInteger) // whole_day).label("day")
        made = sa.func.sum(sa.case((jobs.c.snapshot_id != "", 1), else_=0))
        query = (
            sa.select(jobs.c.server_id, stream, day, sa.func.count(), made)
            .where(jobs.c.created_at >= since, _HANDED)
            .group_by(jobs.c.server_id, stream, day)
            .order_by(day)
        )
        if server_ids is not None:
            query = query.where(jobs.c.server_id.in_(list(server_ids)))
        async with self._catalog.reading() as connection:
            return [
                DumpsOfDay(row[0], row[1], _EPOCH + timedelta(days=row[2]), row[3], row[4])
                for row in await connection.execute(query)
            ]
