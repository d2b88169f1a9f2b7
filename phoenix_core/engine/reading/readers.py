"""Chunk readers that outlive a request: what they have read last serves whoever reads on nearby."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.kinds import PackKind

KEPT = 6
"""Readers that wait for the next request; each holds at most 12 MiB of blocks."""


class _Idle(NamedTuple):
    vault: OpenVault
    domain: str
    epoch: int
    kind: PackKind
    reader: ChunkReader


class Readers:
    """Thread-safe; a reader is lent to one user at a time."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, vault: OpenVault, domain: str, epoch: int, kind: PackKind) -> Iterator[ChunkReader]:
        """A reader with the core's own keys, the one that was given back last where one of its kind waits."""
        reader = self._take(vault, domain, epoch, kind) or vault.reader(domain, epoch, kind)
        try:
            yield reader
        finally:
            self._give_back(_Idle(vault, domain, epoch, kind, reader))

    def _take(self, vault: OpenVault, domain: str, epoch: int, kind: PackKind) -> ChunkReader | None:
        with self._lock:
            for number in range(len(self._idle) - 1, -1, -1):
                idle = self._idle[number]
                if idle.vault is vault and (idle.domain, idle.epoch, idle.kind) == (domain, epoch, kind):
                    return self._idle.pop(number).reader
        return None

    def _give_back(self, idle: _Idle) -> None:
        with self._lock:
            self._idle.append(idle)
            del self._idle[: -self._kept]
