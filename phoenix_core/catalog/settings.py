"""Queries on settings that differ from their defaults, and on single facts that must survive a restart."""

from datetime import datetime

import sqlalchemy as sa

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.tables import facts, settings


class StoredSettings:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def all(self) -> dict[str, str]:
        async with self._catalog.reading() as connection:
            return {row[0]: row[1] for row in await connection.execute(sa.select(settings.c.key, settings.c.value))}

    async def put(self, key: str, value: str, at: datetime, who: str) -> None:
        async with self._catalog.writing() as connection:
            await connection.execute(sa.delete(settings).where(settings.c.key == key))
            await connection.execute(sa.insert(settings).values(key=key, value=value, changed_at=at, changed_by=who))


class Facts:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def get(self, name: str) -> str | None:
        async with self._catalog.reading() as connection:
            value = await connection.scalar(sa.select(facts.c.value).where(facts.c.name == name))
            return None if value is None else str(value)

    async def put(self, name: str, value: str) -> None:
        async with self._catalog.writing() as connection:
            done = await connection.execute(sa.update(facts).where(facts.c.name == name).values(value=value))
            if done.rowcount == 0:
                await connection.execute(sa.insert(facts).values(name=name, value=value))
