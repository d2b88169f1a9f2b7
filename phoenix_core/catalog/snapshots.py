"""Queries on snapshots: a cache of what the vault says, so that listing reads no object.

A snapshot whose removal can still be undone is a row too; only queries that say so return it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.tables import snapshots
from phoenix_core.domain.streams import FOLDER, path_of

PAGE_ROWS = 500
_STAYS = snapshots.c.removed_at.is_(None)


class SnapshotTotals(msgspec.Struct, frozen=True):
    count: int
    lost: int
    """Of `count`."""
    source_bytes: int
    """Sum of the sizes of the files of those that aren't lost."""
    removed: int = 0
    """Beside `count`: those whose removal can still be undone."""


class Snapshots:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def put(self, snapshot: SnapshotRow) -> None:
        """Add it or replace the row of the same id."""
        async with self._catalog.writing() as connection:
            await connection.execute(sa.delete(snapshots).where(snapshots.c.id == snapshot.id))
            await connection.execute(sa.insert(snapshots).values(_columns(snapshot)))

    async def drop(self, ids: Iterable[str]) -> None:
        async with self._catalog.writing() as connection:
            for snapshot_id in ids:
                await connection.execute(sa.delete(snapshots).where(snapshots.c.id == snapshot_id))

    async def get(self, snapshot_id: str) -> SnapshotRow | None:
        async with self._catalog.reading() as connection:
            row = (
                (await connection.execute(sa.select(snapshots).where(snapshots.c.id == snapshot_id))).mappings().first()
            )
            return None if row is None else SnapshotRow(**row)

    async def with_prefix(self, prefix: str, limit: int = 2) -> list[SnapshotRow]:
        """Removed ones too."""
        async with self._catalog.reading() as connection:
            found = await connection.execute(
                sa.select(snapshots)
                .where(snapshots.c.id.startswith(prefix, autoescape=True))
                .order_by(snapshots.c.id)
                .limit(limit)
            )
            return [SnapshotRow(**row) for row in found.mappings()]

    async def listed(
        self,
        *,
        server_id: str = "",
        server_name: str = "",
        limit: int = 0,
        readable_only: bool = False,
        tags: Iterable[str] = (),
        with_hold: bool = False,
        removed: bool | None = False,
        stream: str | None = None,
    ) -> list[SnapshotRow]:
        """Newest commit first; `limit` 0: all. Of a server: by its id, or by its name too, where that is given, so that
        those of an earlier enrolment are among them. `tags`: those that have all of them. `with_hold`: also where the
        hold's time is over. `removed`: those whose removal can still be undone, and no others; None: all. `stream`:
        those of this stream; empty: those of files; None: both."""
        query = sa.select(snapshots).order_by(snapshots.c.sequence.desc())
        if removed is not None:
            query = query.where(snapshots.c.removed_at.is_not(None) if removed else _STAYS)
        for tag in tags:
            query = query.where(sa.type_coerce(snapshots.c.tags, sa.Text).contains(f'"{tag}"', autoescape=True))
        if stream is not None:
            paths = sa.type_coerce(snapshots.c.paths, sa.Text)
            of_streams = paths.startswith(f'["{FOLDER}/', autoescape=True)
            query = query.where(paths == f'["{path_of(stream)}"]' if stream else sa.not_(of_streams))
        if with_hold:
            query = query.where(snapshots.c.hold.is_not(None))
        if server_id:
            query = query.where(sa.or_(snapshots.c.server_id == server_id, snapshots.c.server_name == server_name))
        if readable_only:
            query = query.where(snapshots.c.readable)
        found: list[SnapshotRow] = []
        async with self._catalog.reading() as connection:
            while True:
                # In pages, since reading thousands of rows at once would hold the event loop up.
                wanted = min(PAGE_ROWS, limit - len(found)) if limit else PAGE_ROWS
                page = query.where(snapshots.c.sequence < found[-1].sequence) if found else query
                rows = (await connection.execute(page.limit(wanted))).mappings().all()
                found += [SnapshotRow(**row) for row in rows]
                if len(rows) < wanted or len(found) == limit:
                    return found

    async def count_by_server(self) -> dict[str, int]:
        async with self._catalog.reading() as connection:
            found = await connection.execute(
                sa.select(snapshots.c.server_id, sa.func.count()).where(_STAYS).group_by(snapshots.c.server_id)
            )
            return {row[0]: row[1] for row in found}

    async def readable_by_id(self) -> dict[str, bool]:
        """All snapshots, removed ones too, each with whether it counts as readable."""
        async with self._catalog.reading() as connection:
            found = await connection.execute(sa.select(snapshots.c.id, snapshots.c.readable))
            return {row[0]: row[1] for row in found}

    async def readable_paths(self, server_id: str, server_name: str) -> list[tuple[str, ...]]:
        """What each of the server's snapshots that can be read holds, those of an earlier enrolment under its name too;
        removed ones don't count."""
        of_server = sa.or_(snapshots.c.server_id == server_id, snapshots.c.server_name == server_name)
        query = sa.select(snapshots.c.paths).where(of_server, snapshots.c.readable, _STAYS)
        async with self._catalog.reading() as connection:
            return [tuple(row[0]) for row in await connection.execute(query)]

    async def lost(self) -> list[SnapshotRow]:
        """Those that can't be read, newest commit first."""
        lost = sa.and_(sa.not_(snapshots.c.readable), _STAYS)
        query = sa.select(snapshots).where(lost).order_by(snapshots.c.sequence.desc())
        async with self._catalog.reading() as connection:
            return [SnapshotRow(**row) for row in (await connection.execute(query)).mappings()]

    async def unproved_before(self, at: datetime) -> datetime | None:
        """When the oldest was recorded that can be read, wasn't proved yet, and was recorded before this time."""
        query = sa.select(sa.func.min(snapshots.c.recorded_at)).where(
            snapshots.c.readable, sa.not_(snapshots.c.proved), snapshots.c.recorded_at < at, _STAYS
        )
        async with self._catalog.reading() as connection:
            found: datetime | None = await connection.scalar(query)
            return found

    async def totals(self) -> SnapshotTotals:
        lost = sa.case((snapshots.c.readable, 0), else_=1)
        size = sa.case((snapshots.c.readable, snapshots.c.bytes), else_=0)
        query = sa.select(sa.func.count(), sa.func.sum(lost), sa.func.sum(size)).where(_STAYS)
        removed = sa.select(sa.func.count()).where(sa.not_(_STAYS))
        async with self._catalog.reading() as connection:
            row = (await connection.execute(query.select_from(snapshots))).one()
            gone = await connection.scalar(removed.select_from(snapshots))
            return SnapshotTotals(
                count=row[0], lost=int(row[1] or 0), source_bytes=int(row[2] or 0), removed=int(gone or 0)
            )

    async def mark(self, ids: Iterable[str], **values: Any) -> None:
        async with self._catalog.writing() as connection:
            for snapshot_id in ids:
                await connection.execute(sa.update(snapshots).where(snapshots.c.id == snapshot_id).values(**values))


def _columns(row: SnapshotRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}
