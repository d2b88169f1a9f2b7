"""How much time this core has seen pass: what the end of a hold or of an undo period is counted by.

A clock can be set, thirty days ahead and back again; what is deleted meanwhile does not come back. So while the core
runs the machine's monotonic clock counts, and of each time that it did not run at most a day, whatever the clock says.
"""

from datetime import datetime

from phoenix_core.catalog.settings import Facts
from phoenix_core.domain.clock import Clock

OFF_MAX_S = 86400.0
"""So much counts of a time that the core did not run."""
KEPT_EVERY_S = 300.0
_FACT = "clock.seen"
"""Fact: the reading, and the clock's time then, as `<seconds>|<ISO time>`."""


class SeenTime:
    """`load` it once; a duty of the scheduler keeps it from then on."""

    def __init__(self, facts: Facts, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock
        self._base_s = 0.0
        self._since_s = clock.monotonic_s()
        self._kept_s = 0.0

    async def load(self, at_least_s: float = 0) -> None:
        """`at_least_s`: the highest reading that anything was written down with; the last one kept may be older."""
        seconds, _, time = (await self._facts.get(_FACT) or "").partition("|")
        if time:
            off_s = (self._clock.now() - datetime.fromisoformat(time)).total_seconds()
            self._base_s = float(seconds) + min(max(off_s, 0.0), OFF_MAX_S)
        self._base_s = max(self._base_s, at_least_s)
        self._since_s = self._clock.monotonic_s()
        await self._keep()

    @property
    def now_s(self) -> float:
        """The reading; it never goes back."""
        return self._base_s + self._clock.monotonic_s() - self._since_s

    async def turn(self) -> datetime | None:
        if self.now_s - self._kept_s >= KEPT_EVERY_S:
            await self._keep()
        return None

    async def _keep(self) -> None:
        now_s = self.now_s
        await self._facts.put(_FACT, f"{now_s:.0f}|{self._clock.now().isoformat()}")
        self._kept_s = now_s
