"""How long to wait before the next attempt to connect: doubling with full jitter, so that agents don't come in step."""

import random

FIRST_S = 0.5
LONGEST_S = 30.0
REFUSED_FIRST_S = 30.0
REFUSED_LONGEST_S = 300.0
"""After a refusal that only an operator can mend: a wrong version, a removed server, a certificate of another CA."""
STABLE_S = 30.0
"""A connection that held this long ends the doubling."""


class Backoff:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._attempts = 0

    def reset(self) -> None:
        self._attempts = 0

    def next_s(self, *, refused: bool) -> float:
        """Between half of the current bound and all of it."""
        first, longest = (REFUSED_FIRST_S, REFUSED_LONGEST_S) if refused else (FIRST_S, LONGEST_S)
        bound = min(longest, first * 2.0 ** min(self._attempts, 16))
        self._attempts += 1
        return bound * self._rng.uniform(0.5, 1.0)
