"""Time as a parameter: wall-clock in UTC and a monotonic reading."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall-clock time, aware, in UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never step back; for leases, grace times and rates."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()
