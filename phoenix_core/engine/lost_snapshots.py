"""Finds out which committed snapshots can't be read any more: their object is gone from the store, or damaged."""

import asyncio
from collections.abc import Callable, Iterable

import msgspec
import structlog

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.engine.commit import read_body
from phoenix_core.engine.reconcile import read_row
from phoenix_core.engine.record_watch import RecordWatch
from phoenix_core.engine.standing import kept_readings
from phoenix_core.engine.vault import OpenVault, VaultSeat

LOOK_WAIT_S = 5.0

log = structlog.get_logger(__name__)


class LostSnapshots:
    """Keeps the catalog's `readable` true to the store while the core runs; at its start `reconcile` does."""

    def __init__(
        self,
        seat: VaultSeat,
        snapshots: Snapshots,
        name_of: Callable[[str], str],
        changed: Callable[[SnapshotRow], None],
        records: RecordWatch,
    ) -> None:
        """`name_of`: a server's name by its id. `changed` is told of each snapshot that was lost or found again."""
        self._seat = seat
        self._snapshots = snapshots
        self._name_of = name_of
        self._changed = changed
        self._records = records
        self._looking: asyncio.Task[None] | None = None
        """One at a time, so that a store that doesn't answer holds up one thread only."""

    async def look(self) -> None:
        """Compare the catalog with the names in the store, which reads no object but the newest record and those of
        lost snapshots that are there again. Leaves the catalog as it is while the store can't be asked, and waits no
        longer than LOOK_WAIT_S for one that is slow to answer."""
        under_way = self._looking
        if under_way is not None:
            await asyncio.wait((under_way,), timeout=LOOK_WAIT_S)
            if not under_way.done():
                return
        if self._looking is under_way:  # else another caller began a new one, which will do
            self._looking = asyncio.create_task(self._look(), name="look for lost snapshots")
        if self._looking is not None:
            await asyncio.wait((self._looking,), timeout=LOOK_WAIT_S)

    async def look_to_the_end(self) -> None:
        """As `look`, for who must know: waits for a slow store, and raises what keeps it from being asked."""
        while self._looking is not None and not self._looking.done():
            await asyncio.wait((self._looking,))
        await self._compare(self._seat.get())

    async def close(self) -> None:
        """End a look that still waits for the store."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def readable(self, row: SnapshotRow) -> bool:
        """Read the snapshot's object; one that isn't there, or isn't what was committed, is lost. Raises what keeps it
        from being read now (StorageUnreachable, NoVault, …)."""
        vault = self._seat.get()
        try:
            await asyncio.to_thread(read_body, vault, SnapshotId(row.id))
        except PhoenixError as error:
            if error.retryable or not await asyncio.to_thread(_holds_records, vault):
                raise
            await self._mark_lost(row.id, error.message)
            return False
        return True

    async def check(self, snapshots: Iterable[str]) -> None:
        """Read the objects of those that count as readable, as far as they can be read now."""
        try:
            for snapshot in snapshots:
                row = await self._snapshots.get(snapshot)
                if row is not None and row.readable:
                    await self.readable(row)
        except PhoenixError as error:
            log.info("a snapshot can't be looked at now", error=error.message)

    async def _look(self) -> None:
        vault = self._seat.opened
        if vault is None:
            return
        try:
            await self._compare(vault)
        except PhoenixError as error:
            log.info("the vault can't tell which snapshots it holds", error=error.message)
        except Exception:
            log.exception("the look for lost snapshots failed")

    async def _compare(self, vault: OpenVault) -> None:
        await self._records.look()
        known = await self._snapshots.readable_by_id()
        if self._seat.records_problem is None:
            await self._drop(vault, await asyncio.to_thread(_removed, vault, known))
        gone, back = await asyncio.to_thread(_differences, vault, known)
        for snapshot in gone:
            await self._mark_lost(snapshot, "its object is gone")
        for snapshot in back:
            await self._look_again(vault, SnapshotId(snapshot))

    async def _drop(self, vault: OpenVault, removed: list[SnapshotId]) -> None:
        """Finish removals whose record was written, and whose job failed before the object went."""
        for snapshot in removed:
            await asyncio.to_thread(vault.node.delete_snapshot, snapshot)
            await self._snapshots.drop([snapshot])

    async def _look_again(self, vault: OpenVault, snapshot: SnapshotId) -> None:
        record = await asyncio.to_thread(vault.chain.commit_of, snapshot)
        before = await self._snapshots.get(snapshot)
        if record is None or before is None:
            return
        now = await asyncio.to_thread(read_row, vault, snapshot, record, self._name_of)
        if now.readable:
            log.info("a lost snapshot is there again", snapshot=snapshot)
            now = kept_readings(msgspec.structs.replace(now, proved=before.proved), before)
            await self._snapshots.put(now)
            self._changed(now)

    async def _mark_lost(self, snapshot: str, why: str) -> None:
        log.error("a committed snapshot is lost", snapshot=snapshot, why=why)
        await self._snapshots.mark([snapshot], readable=False)
        row = await self._snapshots.get(snapshot)
        if row is not None:
            self._changed(row)


def _removed(vault: OpenVault, known: dict[str, bool]) -> list[SnapshotId]:
    """Snapshots of the catalog that a record removed. Blocks."""
    vault.chain.take_up()
    return sorted(vault.chain.removed() & known.keys())


def _differences(vault: OpenVault, known: dict[str, bool]) -> tuple[list[str], list[str]]:
    """Snapshots that were readable and have no object now, and lost ones that have one. Blocks. `known` was read before
    the names: an object is there before its snapshot is committed, and goes after its removal was recorded."""
    present = set(vault.node.snapshots())
    gone = [snapshot for snapshot, readable in known.items() if readable and snapshot not in present]
    if gone:
        removed = vault.chain.removed() if _holds_records(vault) else set(gone)
        gone = [snapshot for snapshot in gone if snapshot not in removed]
    return gone, [snapshot for snapshot, readable in known.items() if not readable and snapshot in present]


def _holds_records(vault: OpenVault) -> bool:
    """Whether the store is the vault's at all: one without a single record is a folder whose disk isn't mounted."""
    return vault.node.status().records > 0
