"""Queries on restore drills: what came of each, and when a restore of each server was last proved."""

from datetime import datetime

import sqlalchemy as sa

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.rows import DrillRow
from phoenix_core.catalog.tables import drills
from phoenix_core.domain.drills import DrillOutcome


class Drills:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def put(self, row: DrillRow) -> None:
        """Add it, or put it in the place of the one of its id: a core that was restarted may record it once more."""
        async with self._catalog.writing() as connection:
            await connection.execute(sa.delete(drills).where(drills.c.id == row.id))
            await connection.execute(
                sa.insert(drills).values({name: getattr(row, name) for name in row.__struct_fields__})
            )

    async def listed(self, *, server_id: str = "", limit: int = 50, before: DrillRow | None = None) -> list[DrillRow]:
        """Newest first, of all servers or one."""
        query = sa.select(drills).order_by(drills.c.ended_at.desc(), drills.c.id.desc()).limit(limit)
        if server_id:
            query = query.where(drills.c.server_id == server_id)
        if before is not None:
            same = sa.and_(drills.c.ended_at == before.ended_at, drills.c.id < before.id)
            query = query.where(sa.or_(drills.c.ended_at < before.ended_at, same))
        async with self._catalog.reading() as connection:
            return [DrillRow(**row) for row in (await connection.execute(query)).mappings()]

    async def with_prefix(self, prefix: str, limit: int = 2) -> list[DrillRow]:
        query = sa.select(drills).where(drills.c.id.startswith(prefix, autoescape=True)).order_by(drills.c.id)
        async with self._catalog.reading() as connection:
            return [DrillRow(**row) for row in (await connection.execute(query.limit(limit))).mappings()]

    async def newest_verdicts(self) -> dict[str, DrillRow]:
        """By server's id, the newest drill that was proved or failed."""
        verdict = drills.c.outcome.in_([DrillOutcome.PROVED, DrillOutcome.FAILED])
        newest = (
            sa.select(drills.c.server_id, sa.func.max(drills.c.ended_at).label("ended_at"))
            .where(verdict)
            .group_by(drills.c.server_id)
            .subquery()
        )
        same = sa.and_(drills.c.server_id == newest.c.server_id, drills.c.ended_at == newest.c.ended_at, verdict)
        async with self._catalog.reading() as connection:
            found = await connection.execute(sa.select(drills).join(newest, same).order_by(drills.c.id))
            return {row["server_id"]: DrillRow(**row) for row in found.mappings()}

    async def last_proofs(self) -> dict[str, datetime]:
        """When a restore of each server was last proved, by its id."""
        query = sa.select(drills.c.server_id, sa.func.max(drills.c.ended_at, type_=drills.c.ended_at.type))
        query = query.where(drills.c.outcome == DrillOutcome.PROVED).group_by(drills.c.server_id)
        async with self._catalog.reading() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}
