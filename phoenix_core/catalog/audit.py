"""Queries on the audit log: entries are added and read; triggers of the table refuse all else."""

import sqlalchemy as sa

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.rows import AuditRow
from phoenix_core.catalog.tables import audit


class AuditLog:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def add(self, entry: AuditRow) -> None:
        async with self._catalog.writing() as connection:
            values = {name: getattr(entry, name) for name in entry.__struct_fields__}
            await connection.execute(sa.insert(audit).values(values))

    async def get(self, entry_id: str) -> AuditRow | None:
        async with self._catalog.reading() as connection:
            row = (await connection.execute(sa.select(audit).where(audit.c.id == entry_id))).mappings().first()
            return None if row is None else AuditRow(**row)

    async def listed(self, *, limit: int, before: AuditRow | None = None) -> list[AuditRow]:
        """Newest first."""
        query = sa.select(audit).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
        if before is not None:
            earlier = sa.and_(audit.c.at == before.at, audit.c.id < before.id)
            query = query.where(sa.or_(audit.c.at < before.at, earlier))
        async with self._catalog.reading() as connection:
            return [AuditRow(**row) for row in (await connection.execute(query)).mappings()]
