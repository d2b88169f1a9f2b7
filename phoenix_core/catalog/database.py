"""The catalog as an open database: short transactions, one writer at a time."""

import asyncio
import errno
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from phoenix_core.catalog import sqlite
from phoenix_core.catalog.errors import CatalogFull, CatalogReadOnly
from phoenix_core.catalog.migrate import migrate_file

_PRIMARY = 0xFF
"""Of SQLite's codes; the rest says which call it was."""


class Catalog:
    """Opened by `open_file`. Reads run beside each other; writes take turns, so that none finds the database locked."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = asyncio.Lock()

    @classmethod
    async def open_file(cls, path: Path) -> Self:
        """The SQLite catalog at `path`, made or upgraded first.

        Raises CatalogUnusable, CatalogReadOnly, CatalogTooNew."""
        return cls(await asyncio.to_thread(_open_file, path))

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end of the block, rolled back where it raises. Raises CatalogFull,
        CatalogReadOnly."""
        try:
            async with self._writing, self._engine.begin() as connection:
                yield connection
        except sa.exc.OperationalError as error:
            path = self._engine.url.database or ""
            code = getattr(error.orig, "sqlite_errorcode", 0) & _PRIMARY
            if code == sqlite3.SQLITE_FULL:
                raise CatalogFull(path=path) from error
            # SQLite calls a write that the file system refuses for that reason an I/O error.
            if code == sqlite3.SQLITE_READONLY or (
                code == sqlite3.SQLITE_IOERR and await asyncio.to_thread(_is_read_only, path)
            ):
                raise CatalogReadOnly(path=path) from error
            raise

    async def close(self) -> None:
        await self._engine.dispose()


def _is_read_only(path: str) -> bool:
    """Whether the file system is. What statvfs says isn't enough: ext4 keeps it from there after errors."""
    try:
        with tempfile.TemporaryFile(dir=Path(path).parent):
            return False
    except OSError as error:
        return error.errno == errno.EROFS


def _open_file(path: Path) -> AsyncEngine:
    migrate_file(path)
    engine = create_async_engine(sa.URL.create("sqlite+aiosqlite", database=str(path)))
    sqlite.prepare(engine.sync_engine)
    return engine
