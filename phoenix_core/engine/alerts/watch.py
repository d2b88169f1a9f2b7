"""Looks at what alerts come from: whenever an event says that something may have changed, and at each turn of the
scheduler, since time alone makes some of them. The first look after a start of the core finds what happened meanwhile.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime, timedelta

import structlog

from phoenix_core.catalog.alerts import Alerts
from phoenix_core.catalog.errors import CatalogFull
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.engine.alerts.board import AlertBoard
from phoenix_core.engine.alerts.condition import Source
from phoenix_core.engine.events import EventBus

PAUSE_S = 0.5
"""Between two looks, at least: a thousand jobs that end at once are one look."""
KEPT = timedelta(days=90)
"""So long alerts stay that are over."""
FORGET_EVERY_S = 86_400.0

log = structlog.get_logger(__name__)


class AlertWatch:
    """A duty of the scheduler; `run` does the work, so that a storage node which is slow to answer holds nobody up."""

    def __init__(
        self, sources: Sequence[Source], board: AlertBoard, stored: Alerts, events: EventBus, clock: Clock
    ) -> None:
        self._sources = sources
        self._board = board
        self._stored = stored
        self._events = events
        self._clock = clock
        self._wanted: set[Source] = set(sources)
        self._wake = asyncio.Event()
        self._forgot_s: float | None = None

    async def turn(self) -> datetime | None:
        self.poke()
        return None

    def poke(self) -> None:
        """Look at everything anew."""
        self._wanted.update(self._sources)
        self._wake.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="alerts: follow the events")
            tasks.create_task(self._look_on(), name="alerts: look")

    async def look(self) -> None:
        """Look at what may have changed. Used by `run`, and by who ends with the core and can't wait for it."""
        wanted, self._wanted = self._wanted, set()
        now = self._clock.now()
        for source in self._sources:
            if source in wanted:
                await self._look_at(source, now)
        await self._forget(now)

    async def _follow(self) -> None:
        async with aclosing(self._events.follow()) as following:
            async for event in following:
                if event is None:
                    continue
                if event.kind == "reset":
                    for source in self._sources:
                        source.forget()
                    self.poke()
                    continue
                heeded = {source for source in self._sources if source.heed(event)}
                if heeded:
                    self._wanted |= heeded
                    self._wake.set()

    async def _look_on(self) -> None:
        while True:
            self._wake.clear()
            await self.look()
            await asyncio.sleep(PAUSE_S)
            await self._wake.wait()

    async def _look_at(self, source: Source, now: datetime) -> None:
        """One that can't tell, or fails, leaves its alerts as they are, and is asked again at the next turn."""
        try:
            await self._board.apply(await source.look(now), now)
        except CatalogFull as error:
            self._wanted.add(source)
            log.warning("alerts can't be kept", error=error.message)
        except PhoenixError as error:
            log.info("a source of alerts can't tell", source=type(source).__name__, error=error.message)
        except Exception:
            log.exception("a source of alerts failed", source=type(source).__name__)

    async def _forget(self, now: datetime) -> None:
        at_s = self._clock.monotonic_s()
        if self._forgot_s is not None and at_s - self._forgot_s < FORGET_EVERY_S:
            return
        self._forgot_s = at_s
        try:
            await self._stored.forget(now - KEPT)
        except CatalogFull as error:
            log.warning("alerts that are over stay", error=error.message)
