"""Waits for space on the catalog's disk, where giving up would show a job otherwise than it is."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from phoenix_core.catalog.errors import CatalogFull

T = TypeVar("T")

AGAIN_S = 2.0

log = structlog.get_logger(__name__)


async def once_there_is_space(work: Callable[[], Awaitable[T]], gives_up: Callable[[], bool] = lambda: False) -> T:
    """Do work that can be repeated until the catalog has space for it; nobody tells when that is. Raises CatalogFull
    only where it `gives_up`, and whatever else the work raises."""
    while True:
        try:
            return await work()
        except CatalogFull as error:
            if gives_up():
                raise
            log.warning("something can't be recorded yet", error=error.message)
        await asyncio.sleep(AGAIN_S)
