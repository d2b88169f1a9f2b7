"""What is decided about a committed snapshot becomes true: its signed record first, the catalog's row after it, then
who follows the events is told. One decision at a time, and none while the records aren't what this core has seen."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.ids import SHORT_ID_DIGITS, SnapshotId
from phoenix_core.engine.commit import RecordCheck, remember_last_record
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.snapshot_news import SnapshotNews
from phoenix_core.engine.standing import as_recorded
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.annotation import Standing
from phoenix_core.vault.record import Record

T = TypeVar("T")


class Subject(msgspec.Struct, frozen=True):
    """A snapshot that something is to be decided about."""

    row: SnapshotRow
    """As the records say, whatever the catalog has."""
    committed: Record
    standing: Standing


class Decisions:
    def __init__(
        self, snapshots: Snapshots, facts: Facts, records: RecordCheck, seen: SeenTime, news: SnapshotNews
    ) -> None:
        self._snapshots = snapshots
        self._facts = facts
        self._records = records
        self._seen = seen
        self._news = news

    @asynccontextmanager
    async def turn(self, vault: OpenVault) -> AsyncIterator[None]:
        """While it lasts nobody else appends a record. Raises RecordsBroken, VaultRolledBack, and what the node
        raises."""
        async with self._records.turn:
            await self._records.check_in_turn(vault)
            yield

    async def find(self, vault: OpenVault, snapshot: SnapshotId) -> Subject | None:
        """Within `turn`; None where catalog or records don't know it."""
        row = await self._snapshots.get(snapshot)
        committed = vault.chain.commit_of(snapshot)
        if row is None or committed is None:
            return None
        standing = vault.chain.standing(snapshot)
        return Subject(as_recorded(row, standing, self._seen.now_s), committed, standing)

    async def subject(self, vault: OpenVault, snapshot: SnapshotId) -> Subject:
        """As `find`; raises NotFound."""
        found = await self.find(vault, snapshot)
        if found is None:
            raise NotFound(what="snapshot", name=snapshot[:SHORT_ID_DIGITS])
        return found

    async def record(self, vault: OpenVault, subject: Subject, append: Callable[[], Record] | None) -> SnapshotRow:
        """Within `turn`: append the record (None: there is nothing to add) and bring what the records say into the
        catalog. Where it has no space for that, the next look at the vault does it."""
        snapshot = SnapshotId(subject.row.id)
        try:
            if append is not None:
                await to_its_end(append)
            await remember_last_record(self._facts, vault)
            now = as_recorded(subject.row, vault.chain.standing(snapshot), self._seen.now_s)
            await self._snapshots.put(now)
        except BaseException:
            vault.chain.owe([snapshot])
            raise
        self._news.changed(now)
        return now

    async def forget(self, vault: OpenVault, snapshot: SnapshotId) -> None:
        """Within `turn`, after the record of its final removal."""
        await remember_last_record(self._facts, vault)
        await self._snapshots.drop([snapshot])


async def to_its_end(work: Callable[[], T]) -> T:
    """Do blocking work in a thread. Whoever is cancelled here, however often, keeps the turn until the work is over:
    what it appends is there by then, or isn't. Where it fails as well, its error is the cancellation's cause."""
    # No task: a loop that ends cancels all of its tasks, and the thread would go on unseen.
    working = asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, work)
    cancelled: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from working.exception()
    return working.result()
