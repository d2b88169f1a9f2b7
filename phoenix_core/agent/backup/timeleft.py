"""How long a job that moves content will still take: from what is left, and how fast it went lately.

All that is to be read or written counts, whether it turns out to be stored already or not. What lies behind in time
counts less and less, since the second half of a tree may be new where the first was stored already.
"""

import math

from phoenix_core.agent.backup.estimate import Throughput

MEMORY_SHARE = 0.25
"""Of the time that has passed so much counts in full: enough to even out batches, little enough to follow a change."""
MEMORY_S = 2.0
"""At least as long as this is looked back."""


class TimeLeft:
    """Told of progress, in order; not thread-safe."""

    def __init__(self, cost: Throughput, files: int, size: int, expected_s: float) -> None:
        """`cost` weighs files against bytes; `files` and `size` (bytes) are all that is to be done. `expected_s`: what
        is believed at the start; below 0: nothing."""
        self._cost = cost
        self._whole = cost.estimate_s(files, size)
        self._rate = self._whole / expected_s if expected_s > 0 else 0.0
        self._at = 0.0
        self._done = 0.0

    def after(self, elapsed_s: float, files_done: int, bytes_done: int) -> float:
        """Seconds left; -1: not known yet."""
        done = min(self._cost.estimate_s(files_done, bytes_done), self._whole)
        passed = elapsed_s - self._at
        if passed > 0 and elapsed_s > 0:
            rate = max(0.0, done - self._done) / passed
            memory = max(MEMORY_S, MEMORY_SHARE * elapsed_s)
            weight = 1 - math.exp(-passed / memory)
            self._rate = rate if self._rate <= 0 else self._rate + weight * (rate - self._rate)
            self._at, self._done = elapsed_s, done
        if self._whole <= done:
            return 0.0
        return (self._whole - done) / self._rate if self._rate > 0 else -1.0
