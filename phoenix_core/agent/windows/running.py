"""The backups that run in this agent now: what they have made is nobody's orphan."""

import threading


class RunningJobs:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[str] = set()

    def add(self, job: str) -> None:
        with self._lock:
            self._names.add(job)

    def remove(self, job: str) -> None:
        with self._lock:
            self._names.discard(job)

    def names(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._names)
