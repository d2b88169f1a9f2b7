"""Keeps what all of a job's processes send within its bandwidth limit, together.

They share a file that holds when the line is free again: whoever wants to send moves that on by what its bytes take,
under a lock, and waits for its turn.
"""

import os
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from phoenix_core.agent.backup.workermessages import Bandwidth
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.domain.bandwidth import Limits
from phoenix_core.host.openfiles import CLOSED_AT_EXEC, lock, read_at, unlock, write_at

PACE_FILE = "pace"
"""In the agent's state directory."""
PIECE_S = 0.25
"""What is sent in one go takes so long at most, so that a limit that changes is heeded soon."""
_FREE_AT = struct.Struct("<d")


class Pace:
    """Called with how many bytes are to be sent: waits, and returns how many may be."""

    def __init__(
        self,
        path: Path,
        limits: Limits,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`path`: the file, made where it isn't there. The monotonic clock is the host's, the same in all processes."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | CLOSED_AT_EXEC, 0o600)
        self._limits = limits
        self._now = now
        self._monotonic = monotonic
        self._sleep = sleep

    def __call__(self, wanted: int) -> int:
        rate = self._limits.at(self._now())
        if not rate:
            return wanted
        count = max(1, min(wanted, int(rate * PIECE_S)))
        wait_s = self._turn(count / rate)
        if wait_s > 0:
            self._sleep(wait_s)
        return count

    def _turn(self, takes_s: float) -> float:
        """Take the line for so long; returns how long to wait until it is ours."""
        lock(self._fd, wait=True)
        try:
            now = self._monotonic()
            held = read_at(self._fd, _FREE_AT.size, 0)
            free_at = max(now, _FREE_AT.unpack(held)[0]) if len(held) == _FREE_AT.size else now
            write_at(self._fd, _FREE_AT.pack(free_at + takes_s), 0)
        finally:
            unlock(self._fd)
        return free_at - now

    def close(self) -> None:
        os.close(self._fd)


def bandwidth_of(order: BackupOrder, state_dir: Path) -> Bandwidth | None:
    """None: not limited."""
    if not order.bandwidth:
        return None
    return Bandwidth(str(state_dir / PACE_FILE), order.bandwidth, order.time_zone)


def open_pace(bandwidth: Bandwidth | None, *, anew: bool = False) -> Pace | None:
    """`anew`: what an earlier job left in the file is forgotten; a clock that began anew would wait for it."""
    if bandwidth is None:
        return None
    if anew:
        Path(bandwidth.path).unlink(missing_ok=True)
    return Pace(Path(bandwidth.path), Limits(bandwidth.lines, ZoneInfo(bandwidth.time_zone)))
