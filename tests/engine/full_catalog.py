"""A catalog whose disk is full from a certain commit on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest import mock

from sqlalchemy.ext.asyncio import AsyncConnection

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.errors import CatalogFull


class FullCatalog:
    """So many more transactions succeed; those after them are rolled back, until the context ends."""

    def __init__(self, after: int, *, once: bool = False) -> None:
        """`once`: only one is rolled back; somebody else frees space at that moment."""
        self._left = after
        self.failed = 0
        self._struck = asyncio.Event()
        writing = Catalog.writing

        @asynccontextmanager
        async def full(catalog: Catalog) -> AsyncIterator[AsyncConnection]:
            async with writing(catalog) as connection:
                yield connection
                self._left -= 1
                if self._left < 0 and not (once and self.failed):
                    self.failed += 1
                    self._struck.set()
                    raise CatalogFull(path="catalog.sqlite")

        self._patch = mock.patch.object(Catalog, "writing", full)

    async def struck(self, within_s: float = 10.0) -> bool:
        """Whether a transaction failed within so many seconds; waits for it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._struck.wait(), within_s)
        return self._struck.is_set()

    def __enter__(self) -> "FullCatalog":
        self._patch.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._patch.stop()
