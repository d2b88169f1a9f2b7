"""Conditions that count only once they have held for some time, so that what passes by itself raises no alert."""

from phoenix_core.domain.alerts import AlertKind
from phoenix_core.domain.clock import Clock
from phoenix_core.engine.alerts.condition import IsActive, Key


class Holding:
    """In memory: after a restart of the core the time begins anew. What is an alert already holds at once."""

    def __init__(self, is_active: IsActive, clock: Clock) -> None:
        self._is_active = is_active
        self._clock = clock
        self._since: dict[Key, float] = {}

    def for_s(self, kind: AlertKind, subject_id: str, seconds: float, *, holds: bool) -> bool:
        """Whether it holds now and has held so long."""
        key = (kind, subject_id)
        if not holds:
            self._since.pop(key, None)
            return False
        if self._is_active(kind, subject_id):
            return True
        return self._clock.monotonic_s() - self._since.setdefault(key, self._clock.monotonic_s()) >= seconds
