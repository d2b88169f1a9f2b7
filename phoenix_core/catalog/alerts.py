"""Queries on alerts. Their one writer is `engine.alerts.board`."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from phoenix_core.catalog.alert_rows import AlertRow, NoticeRow
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.tables import alerts, channels, notices
from phoenix_core.domain.alerts import AlertKind


class Alerts:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def active(self) -> list[AlertRow]:
        return await self._found(sa.select(alerts).where(alerts.c.resolved_at.is_(None)))

    async def get(self, alert_id: str) -> AlertRow | None:
        found = await self._found(sa.select(alerts).where(alerts.c.id == alert_id))
        return found[0] if found else None

    async def with_prefix(self, prefix: str, limit: int = 2) -> list[AlertRow]:
        query = sa.select(alerts).where(alerts.c.id.startswith(prefix, autoescape=True))
        return await self._found(query.order_by(alerts.c.id).limit(limit))

    async def resolved(self, *, server_id: str = "", limit: int, before: AlertRow | None = None) -> list[AlertRow]:
        """Those that are over, the newest end first. `before`: one of them, to page on."""
        query = sa.select(alerts).where(alerts.c.resolved_at.is_not(None))
        if server_id:
            query = query.where(alerts.c.server_id == server_id)
        if before is not None:
            earlier = sa.and_(alerts.c.resolved_at == before.resolved_at, alerts.c.id < before.id)
            query = query.where(sa.or_(alerts.c.resolved_at < before.resolved_at, earlier))
        return await self._found(query.order_by(alerts.c.resolved_at.desc(), alerts.c.id.desc()).limit(limit))

    async def resolved_since(self, after: datetime) -> list[AlertRow]:
        """Those that were over after this time, oldest end first."""
        query = sa.select(alerts).where(alerts.c.resolved_at > after)
        return await self._found(query.order_by(alerts.c.resolved_at, alerts.c.id))

    async def last_resolved(self, kind: AlertKind, subject_id: str) -> AlertRow | None:
        query = sa.select(alerts).where(alerts.c.kind == kind, alerts.c.subject_id == subject_id)
        query = query.where(alerts.c.resolved_at.is_not(None)).order_by(alerts.c.resolved_at.desc()).limit(1)
        found = await self._found(query)
        return found[0] if found else None

    async def write(self, rows: Iterable[AlertRow], told: Sequence[NoticeRow] = ()) -> None:
        """Add or replace the alerts, and add what is to be told of them, in one transaction. A channel that is gone is
        told nothing, and keeps no alert from being kept."""
        async with self._catalog.writing() as connection:
            for row in rows:
                values = {name: getattr(row, name) for name in row.__struct_fields__}
                done = await connection.execute(sa.update(alerts).where(alerts.c.id == row.id).values(**values))
                if done.rowcount == 0:
                    await connection.execute(sa.insert(alerts).values(**values))
            there: set[str] = set(await connection.scalars(sa.select(channels.c.id))) if told else set()
            if told := [row for row in told if row.channel_id in there]:
                await connection.execute(
                    sa.insert(notices), [{name: getattr(row, name) for name in row.__struct_fields__} for row in told]
                )

    async def forget(self, resolved_before: datetime) -> None:
        """Drop those that were over before this time."""
        async with self._catalog.writing() as connection:
            await connection.execute(sa.delete(alerts).where(alerts.c.resolved_at < resolved_before))

    async def _found(self, query: sa.Select[tuple[object, ...]]) -> list[AlertRow]:
        async with self._catalog.reading() as connection:
            return [AlertRow(**row) for row in (await connection.execute(query)).mappings()]
