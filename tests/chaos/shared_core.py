"""The core's part in deciding about a shared vault's snapshots: its catalog, its count of time, its records.

All of it is the product's. One act after the other uses it, in an event loop that goes on between them; where the core
asks the storage node the act gives its turn away, as when it asks by itself."""

import asyncio
import contextvars
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.settings import Facts, StoredSettings
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.engine.annotations import Annotations
from phoenix_core.engine.decisions import Decisions
from phoenix_core.engine.events import EventBus
from phoenix_core.engine.expiry import Expiry
from phoenix_core.engine.reading.mounts import Mounts
from phoenix_core.engine.record_watch import RecordWatch
from phoenix_core.engine.removals import Removals
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.snapshot_news import SnapshotNews
from phoenix_core.engine.snapshots_in_use import SnapshotsInUse
from phoenix_core.engine.vault import OpenVault, VaultSeat
from tests.chaos.shared_vault import Hand, SharedVault
from tests.chaos.turns import Turns

T = TypeVar("T")


class SharedCore:
    """`turn` is held by whoever uses it; what it decides is awaited with `run`."""

    def __init__(self, vault: SharedVault) -> None:
        self._vault = vault
        self._hand = Hand(vault, Turns(None), "core")
        self._loop = asyncio.Runner()
        self._catalogs = 0
        self._catalog: Catalog
        self._begin(lost=True)

    @contextmanager
    def turn(self, turns: Turns) -> Iterator[None]:
        """While it lasts nobody else appends a record."""
        with turns.alone(self._vault.records):
            self._hand.turns = turns
            self.run(self.seen.turn())  # as the scheduler does it every few minutes
            yield

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Within `turn`. Raises what the work raises."""
        return self._loop.run(work, context=contextvars.copy_context())

    def restart(self, *, lost: bool) -> None:
        """Within `turn`. `lost`: its catalog is."""
        self.run(self._catalog.close())
        self._begin(lost=lost)

    def rows(self) -> list[SnapshotRow]:
        """Within `turn`: what is shown of the snapshots, removed ones too."""
        self.run(self._records.check())
        return self.run(self._snapshots.listed(removed=None))

    def close(self) -> None:
        self.run(self._catalog.close())
        self._loop.close()

    def _begin(self, *, lost: bool) -> None:
        self._catalogs += lost
        self._catalog = self.run(Catalog.open_file(self._vault.folder / f"catalog{self._catalogs}.sqlite"))
        self.run(self._load(self._catalog))
        self.started_s = self._vault.clock.seconds

    async def _load(self, catalog: Catalog) -> None:
        clock, facts = self._vault.clock, Facts(catalog)
        self._snapshots = Snapshots(catalog)
        self.seen = SeenTime(facts, clock)
        settings = Settings(StoredSettings(catalog), clock)
        await settings.load()
        await self.seen.load()
        seat = VaultSeat("here")
        self.vault = OpenVault(self._vault.descriptor, self._vault.key, self._hand.node, clock)
        seat.put(self.vault)
        self._records = RecordWatch(
            seat, self._snapshots, facts, settings, lambda server: server, lambda: None, clock, self.seen
        )
        await self._records.open(self.vault)
        decisions = Decisions(self._snapshots, facts, self._records, self.seen, _Unheard(clock))
        self.annotations = Annotations(decisions, self.seen, clock)
        in_use = SnapshotsInUse(Jobs(catalog), Mounts(clock))
        self.removals = Removals(decisions, in_use, Expiry(self._snapshots, self.seen), self.seen, clock)


class _Unheard(SnapshotNews):
    """Nobody follows the events."""

    def __init__(self, clock: Any) -> None:
        super().__init__(EventBus(clock), _nothing)

    def changed(self, row: SnapshotRow) -> None:
        del row


def _nothing(row: SnapshotRow) -> Any:
    del row
