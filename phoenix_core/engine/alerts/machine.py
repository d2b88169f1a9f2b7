"""The core's own machine: the space for its catalog, and a clock that was set."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from phoenix_core.catalog.settings import Facts
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.amounts import size
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.views import Event
from phoenix_core.engine.alerts.condition import Condition, Found
from phoenix_core.engine.alerts.words import moment
from phoenix_core.host.errors import SpaceUnknown
from phoenix_core.host.space import space_at

LOW_BYTES, NONE_BYTES = 512 << 20, 64 << 20
JUMP = timedelta(minutes=10)
TOLD_FOR = timedelta(days=1)
MACHINE = "machine"
_JUMPED = "alerts.clock_jumped"
"""Fact: the newest jump of the clock, as JSON."""

log = structlog.get_logger(__name__)


class Jump(msgspec.Struct, frozen=True):
    at: datetime
    """By the new time."""
    by_s: float
    """Forward; negative: back."""


class MachineSource:
    def __init__(self, data: Path, facts: Facts, clock: Clock) -> None:
        self._data = data
        self._facts = facts
        self._clock = clock
        self._last: tuple[datetime, float] | None = None

    def heed(self, event: Event) -> bool:
        return False

    def forget(self) -> None:
        """Nothing is noted."""

    async def look(self, now: datetime) -> Found:
        found = Found({AlertKind.CLOCK_JUMPED}, await self._clock_set(now))
        disk = await self._disk()
        if disk is not None:
            found.told.add(AlertKind.DISK_LOW)
            found.conditions += disk
        return found

    async def _disk(self) -> list[Condition] | None:
        """None: the space can't be told."""
        try:
            space = await asyncio.to_thread(space_at, self._data)
        except SpaceUnknown as error:
            log.info("the space for the catalog can't be told", error=error.message)
            return None
        if space.free_bytes >= LOW_BYTES:
            return []
        empty = space.free_bytes < NONE_BYTES
        limit = size(NONE_BYTES if empty else LOW_BYTES)
        return [
            Condition(
                AlertKind.DISK_LOW,
                MACHINE,
                "data directory",
                Severity.CRITICAL if empty else Severity.ERROR,
                f"Less than {limit} are free for the core's catalog at {self._data}.",
                "Free space on that file system: without any, no job can be recorded.",
            )
        ]

    async def _clock_set(self, now: datetime) -> list[Condition]:
        await self._notice(now)
        kept = await self._facts.get(_JUMPED)
        jump = msgspec.json.decode(kept, type=Jump) if kept else None
        if jump is None or abs(now - jump.at) >= TOLD_FOR:
            return []
        span = timedelta(seconds=round(abs(jump.by_s)))
        before = jump.at - timedelta(seconds=jump.by_s)
        way = "on" if jump.by_s > 0 else "back"
        return [
            Condition(
                AlertKind.CLOCK_JUMPED,
                MACHINE,
                "core's clock",
                Severity.WARNING,
                f"The clock of the core's machine was set {way} by {span}, from {moment(before)} to {moment(jump.at)}.",
                "See that it is right now, and that the machine keeps its time by NTP. Where the machine was asleep, "
                "it is nothing. Schedules go on from the new time; retention counts restore points, and removes none "
                "for their age.",
                at=jump.at,
            )
        ]

    async def _notice(self, now: datetime) -> None:
        monotonic_s = self._clock.monotonic_s()
        last, self._last = self._last, (now, monotonic_s)
        if last is None:
            return
        by = (now - last[0]) - timedelta(seconds=monotonic_s - last[1])
        if abs(by) >= JUMP:
            log.warning("the clock was set", by_s=by.total_seconds())
            jump = Jump(now, by.total_seconds())
            await self._facts.put(_JUMPED, msgspec.json.encode(jump).decode())
