"""The catalog as an open database: short transactions, one writer at a time."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from phoenix_core.catalog import sqlite
from phoenix_core.catalog.errors import CatalogFull
from phoenix_core.catalog.migrate import migrate_file


class Catalog:
    """Opened by `open_file`. Reads run beside each other; writes take turns, so that none finds the database locked."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = asyncio.Lock()

    @classmethod
    async def open_file(cls, path: Path) -> Self:
        """The SQLite catalog at `path`, made or upgraded first. Raises CatalogUnusable, CatalogTooNew."""
        return cls(await asyncio.to_thread(_open_file, path))

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end of the block, rolled back where it raises. Raises CatalogFull."""
        try:
            async with self._writing, self._engine.begin() as connection:
                yield connection
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
                raise
            raise CatalogFull(path=self._engine.url.database or "") from error

    async def close(self) -> None:
        await self._engine.dispose()


def _open_file(path: Path) -> AsyncEngine:
    migrate_file(path)
    engine = create_async_engine(sa.URL.create("sqlite+aiosqlite", database=str(path)))
    sqlite.prepare(engine.sync_engine)
    return engine
