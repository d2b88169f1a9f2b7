"""Notes in the catalog when connected peers were last seen, so that a crash of the core doesn't make that old."""

import asyncio

import structlog

from phoenix_core.catalog.errors import CatalogFull
from phoenix_core.domain.clock import Clock
from phoenix_core.engine.peer_directory import PeerDirectory

NOTED_EVERY_S = 60.0

log = structlog.get_logger(__name__)


class LastSeen:
    """A peer that is connected is seen now: one that falls silent is disconnected within some heartbeats."""

    def __init__(self, directory: PeerDirectory, clock: Clock, every_s: float = NOTED_EVERY_S) -> None:
        self._directory = directory
        self._clock = clock
        self._every_s = every_s

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self._directory.see_connected(self._clock.now())
            except CatalogFull as full:
                log.info("when peers were seen isn't noted", error=full.message)
