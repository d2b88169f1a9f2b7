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
BELIEVED_S = 1.0
"""What is believed at the start counts as if it had been seen for so long."""


class TimeLeft:
    """Told of progress, in order; not thread-safe."""

    def __init__(self, cost: Throughput, files: int, size: int, expected_s: float) -> None:
        """`cost` weighs files against bytes; `files` and `size` (bytes) are all that is to be done. `expected_s`: what
        is believed at the start; below 0: nothing."""
        self._cost = cost
        self._whole = cost.estimate_s(files, size)
        self._at = 0.0
        self._done = 0.0
        self._lately_s = BELIEVED_S if expected_s > 0 else 0.0
        self._moved = BELIEVED_S * self._whole / expected_s if expected_s > 0 else 0.0
        """What was done in the time that is remembered."""

    def after(self, elapsed_s: float, files_done: int, bytes_done: int) -> float:
        """Seconds left; -1: not known yet."""
        done = min(self._cost.estimate_s(files_done, bytes_done), self._whole)
        passed = elapsed_s - self._at
        if passed > 0:
            kept = math.exp(-passed / max(MEMORY_S, MEMORY_SHARE * elapsed_s))
            self._lately_s = kept * self._lately_s + passed
            self._moved = kept * self._moved + max(0.0, done - self._done)
            self._at, self._done = elapsed_s, done
        if self._whole <= done:
            return 0.0
        return (self._whole - done) * self._lately_s / self._moved if self._moved > 0 else -1.0
