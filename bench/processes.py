"""What processes take: processor time, and memory as proportional set size (PSS), summed over a role's processes."""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path

import psutil

SAMPLE_S = 0.2
FIRST_S = (0.0, 0.01, 0.03, 0.06, 0.1)
"""Before the first samples, so that what is soon over is seen too."""

Roles = Callable[[], Mapping[str, Iterable[int]]]
"""The process ids of each role, now."""


class PeakMemory:
    """Samples memory while it is entered; `peaks` in bytes by role, and `total`, the highest sum at one moment."""

    def __init__(self, roles: Roles) -> None:
        self.peaks: dict[str, int] = {}
        self.total = 0
        self._roles = roles
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        pauses = chain(FIRST_S, repeat(SAMPLE_S))
        while not self._done.wait(next(pauses)):
            self._look()
        self._look()

    def _look(self) -> None:
        seen: set[tuple[int, int]] = set()
        now = {role: sum(_memory(pid, seen) for pid in pids) for role, pids in self._roles().items()}
        for role, amount in now.items():
            self.peaks[role] = max(self.peaks.get(role, 0), amount)
        self.total = max(self.total, sum(now.values()))


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    try:
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.Error:
        return []


def cpu_s(pids: Iterable[int]) -> float:
    """Processor seconds that these processes, all below them and their ended children have used so far."""
    total = 0.0
    for pid in {each for root in pids for each in tree(root)}:
        with suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _memory(pid: int, seen: set[tuple[int, int]]) -> int:
    """PSS, and the pages of memory files (memfd), which no process maps; `seen` counts a shared one once."""
    total = 0
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                total += int(line.split()[1]) * 1024
                break
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                if os.readlink(entry.path).startswith("/memfd:"):
                    status = os.stat(entry.path)
                    if (status.st_dev, status.st_ino) not in seen:
                        seen.add((status.st_dev, status.st_ino))
                        total += status.st_blocks * 512
    return total
