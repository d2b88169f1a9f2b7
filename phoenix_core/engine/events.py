"""What happens in the core, as numbered events in a ring buffer that any number of readers follow."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from itertools import islice
from typing import Any

from phoenix_core.domain.clock import Clock
from phoenix_core.domain.views import Event

CAPACITY = 4096


class EventBus:
    """Used from the event loop only.

    Numbers rise by one. The first of a core's run is its start in milliseconds since the epoch, so that numbers of an
    earlier run lie below and a reader who resumes after a restart is told so (`reset`)."""

    def __init__(self, clock: Clock, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._ring: deque[Event] = deque(maxlen=capacity)
        self._newest = int(clock.now().timestamp() * 1000)
        self._oldest_resumable = self._newest
        self._readers: set[asyncio.Event] = set()
        self._closed = False

    @property
    def newest(self) -> int:
        return self._newest

    @property
    def oldest(self) -> int:
        """The lowest number after which a reader can resume."""
        return self._oldest_resumable

    def publish(self, kind: str, **parts: Any) -> None:
        self._newest += 1
        if len(self._ring) == self._ring.maxlen:
            self._oldest_resumable = self._ring[0].number
        self._ring.append(Event(number=self._newest, kind=kind, at=self._clock.now(), **parts))
        for reader in self._readers:
            reader.set()

    def close(self) -> None:
        """End all readers' iterations once they have read what is there."""
        self._closed = True
        for reader in self._readers:
            reader.set()

    async def follow(
        self, after: int | None = None, *, idle_s: float | None = None
    ) -> AsyncGenerator[Event | None, None]:
        """Events from number `after` on, as they happen; None each time that nothing came for `idle_s` seconds.

        A reader that can't resume there, or falls behind by more than the ring holds, gets a `reset` and what comes
        after it."""
        wake = asyncio.Event()
        self._readers.add(wake)
        try:
            at = -1 if after is None else after
            while True:
                wake.clear()
                if not self._oldest_resumable <= at <= self._newest:
                    at = self._newest
                    yield Event(number=at, kind="reset", at=self._clock.now())
                    continue
                for event in self._since(at):
                    yield event
                    at = event.number
                if at != self._newest:
                    continue
                if self._closed:
                    return
                if not await _woken(wake, idle_s):
                    yield None
        finally:
            self._readers.discard(wake)

    def _since(self, number: int) -> list[Event]:
        missed = min(self._newest - number, len(self._ring))
        return list(islice(self._ring, len(self._ring) - missed, None))


async def _woken(wake: asyncio.Event, idle_s: float | None) -> bool:
    """Wait until woken; False once `idle_s` is over."""
    try:
        async with asyncio.timeout(idle_s):
            await wake.wait()
    except TimeoutError:
        return False
    return True
