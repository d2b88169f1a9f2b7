"""Looks at the clock, and has each duty do what is due."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from phoenix_core.domain.clock import Clock

LOOK_S = 30.0
"""At least as often the clock is looked at: it may be set, or the machine have slept."""


class Duty(Protocol):
    async def turn(self) -> datetime | None:
        """Do what is due; returns when there will be something, as far as it is known."""


class Scheduler:
    def __init__(self, duties: Sequence[Duty], clock: Clock) -> None:
        self._duties = duties
        self._clock = clock
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()

    def poke(self) -> None:
        """A policy, group or setting has changed."""
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake.clear()
            due = await self.turn()
            pause_s = LOOK_S if due is None else min(max(0.0, (due - self._clock.now()).total_seconds()), LOOK_S)
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def turn(self) -> datetime | None:
        """Have each duty do what is due; returns when there will be something."""
        async with self._turn:
            coming = [due for duty in self._duties if (due := await duty.turn()) is not None]
        return min(coming, default=None)
