"""Work that may wait gives way to the rest of the host: nice, a low I/O priority, a scheduling group of its own.

Nothing here fails: what the system refuses stays as it was.
"""

import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
IO_LOWEST = 7
NICE_LOWEST = 19
_SPARE = 0.8
"""Processors' worth of idle time."""
_TRIES = 5
_TRY_WAIT_S = 0.12
"""An unprivileged process may set an autogroup's nice value ten times a second, of the whole host."""


def yield_thread(nice: int, *, idle_disk: bool = False) -> None:
    """Lower the calling thread's priorities, and those of the threads and processes that it starts; nice 0: leave them.
    `idle_disk`: it gets the disk only when nobody else wants it, else after the others."""
    if nice <= 0 or not sys.platform.startswith("linux"):
        return
    import psutil  # an agent without a job needs none of it

    thread = threading.get_native_id()
    _lower(thread, nice)
    with suppress(OSError, psutil.Error):
        if idle_disk:
            psutil.Process(thread).ionice(psutil.IOPRIO_CLASS_IDLE)
        else:
            psutil.Process(thread).ionice(psutil.IOPRIO_CLASS_BE, IO_LOWEST)


def yield_process(nice: int) -> None:
    """The same in a process that has no further threads yet; it becomes the leader of a session.

    A kernel with autogroups (sched(7)) compares nice values within a session only, and sessions by the value of
    their group."""
    if nice <= 0 or not sys.platform.startswith("linux"):
        return
    yield_thread(nice)
    with suppress(OSError):
        os.setsid()
        _yield_group(os.getpriority(os.PRIO_PROCESS, 0))


class SpareProcessor:
    """Whether one of the host's processors had little to do since the last look. Nice values alone don't tell: they
    count within a session only where the kernel has autogroups."""

    def __init__(self) -> None:
        self._idle_s = self._at_s = 0.0

    def look(self) -> bool:
        """False at first."""
        import psutil

        times = psutil.cpu_times()
        idle_s, at_s = times.idle + getattr(times, "iowait", 0.0), time.monotonic()
        idle, passed = idle_s - self._idle_s, at_s - self._at_s
        is_first, self._idle_s, self._at_s = not self._at_s, idle_s, at_s
        return not is_first and idle >= _SPARE * passed


def _lower(thread: int, nice: int) -> None:
    """On Linux each thread has a nice value of its own. Never upwards: the agent may have been started with more."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, max(nice, os.getpriority(os.PRIO_PROCESS, thread)))


def _yield_group(nice: int) -> None:
    """Raises OSError where there are no autogroups."""
    for left in reversed(range(_TRIES)):
        try:
            AUTOGROUP.write_text(str(nice))
        except BlockingIOError:
            if left:
                time.sleep(_TRY_WAIT_S)
        else:
            return
