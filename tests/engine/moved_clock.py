"""A clock that runs, and can be moved on."""

import time
from datetime import UTC, datetime, timedelta


class MovedClock:
    """Goes on from noon five days ago, and can be moved on; certificates that are made now must be valid now."""

    def __init__(self) -> None:
        noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=5)
        self.ahead = noon - datetime.now(UTC)
        self.passed_s = 0.0
        self._halted: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        return (self._halted[0] if self._halted else datetime.now(UTC)) + self.ahead

    def monotonic_s(self) -> float:
        return (self._halted[1] if self._halted else time.monotonic()) + self.passed_s

    def halt(self) -> None:
        """From now on it stands, but for what it is moved by."""
        self._halted = (datetime.now(UTC), time.monotonic())

    def let_pass(self, seconds: float) -> None:
        """Time that goes by, rather than a clock that is set."""
        self.ahead += timedelta(seconds=seconds)
        self.passed_s += seconds

    def move_to(self, hour: int, minute: int = 0) -> None:
        """The next time that it is so late."""
        now = self.now()
        wanted = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        self.ahead += (wanted if wanted > now else wanted + timedelta(days=1)) - now
