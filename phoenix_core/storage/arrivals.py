"""Packs on their way into the vault: one call at a time for each, so that one that fails can take back what it did."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from phoenix_core.domain.ids import PackId


class Arrivals:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._arriving: set[PackId] = set()

    @contextmanager
    def of(self, pack_id: PackId) -> Iterator[None]:
        """Waits until no other call has this pack in hand."""
        with self._changed:
            self._changed.wait_for(lambda: pack_id not in self._arriving)
            self._arriving.add(pack_id)
        try:
            yield
        finally:
            with self._changed:
                self._arriving.discard(pack_id)
                self._changed.notify_all()

    def __contains__(self, pack_id: PackId) -> bool:
        with self._changed:
            return pack_id in self._arriving
