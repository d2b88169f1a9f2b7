"""Tells of new and changed snapshots: to whoever follows the events, and to the proof of new packs."""

from collections.abc import Callable

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.views import SnapshotView
from phoenix_core.engine.events import EventBus


class SnapshotNews:
    def __init__(self, events: EventBus, view: Callable[[SnapshotRow], SnapshotView]) -> None:
        self._events = events
        self._view = view
        self._on_added: list[Callable[[], None]] = []

    def on_added(self, told: Callable[[], None]) -> None:
        self._on_added.append(told)

    def added(self, row: SnapshotRow) -> None:
        self.changed(row)
        for told in self._on_added:
            told()

    def changed(self, row: SnapshotRow) -> None:
        self._events.publish("snapshot", job_id=row.job_id, snapshot=self._view(row))
