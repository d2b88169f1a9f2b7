"""Removals of snapshots: put aside for an undo period, brought back, and in the end made final.

Each of them is a signed record first and a change of the catalog after it; all can be repeated, and a core that ends in
between finds at its start, from the records, what is to be done. What the records say decides, not the catalog: a hold
that only they know of counts.
"""

import asyncio

import structlog

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import NotFound, PhoenixError
from phoenix_core.domain.ids import SHORT_ID_DIGITS, SnapshotId
from phoenix_core.engine.commit import RecordCheck, remember_last_record
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.snapshot_news import SnapshotNews
from phoenix_core.engine.snapshots_in_use import SnapshotsInUse
from phoenix_core.engine.standing import as_recorded, held_error, holds, undo_over
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.annotation import Aside

log = structlog.get_logger(__name__)


class Removals:
    def __init__(
        self,
        snapshots: Snapshots,
        facts: Facts,
        records: RecordCheck,
        seen: SeenTime,
        news: SnapshotNews,
        clock: Clock,
        in_use: SnapshotsInUse,
    ) -> None:
        self._in_use = in_use
        self._snapshots = snapshots
        self._facts = facts
        self._records = records
        self._seen = seen
        self._news = news
        self._clock = clock

    async def set_aside(self, vault: OpenVault, snapshot: SnapshotId, who: str, undo_s: int) -> None:
        """Remove it so that it can be brought back within `undo_s` seconds; 0: for good. One that is set aside already
        stays so. Raises SnapshotHeld, SnapshotInUse, RecordsBroken, VaultRolledBack, and what the node raises."""
        if not undo_s:
            await self.remove(vault, snapshot)
            return
        async with self._records.turn:
            await self._records.check_in_turn(vault)
            row = await self._checked(vault, snapshot)
            committed = vault.chain.commit_of(snapshot)
            if row is None or committed is None:
                return
            if vault.chain.standing(snapshot).aside is None:
                await asyncio.to_thread(vault.chain.set_aside, committed, Aside(who, undo_s))
            await self._keep(vault, row)

    async def bring_back(self, vault: OpenVault, snapshot: SnapshotId, who: str) -> SnapshotRow:
        """Undo a removal; of a snapshot that isn't removed, nothing. Raises NotFound where it is gone for good, else as
        `set_aside`."""
        async with self._records.turn:
            await self._records.check_in_turn(vault)
            row = await self._snapshots.get(snapshot)
            committed = vault.chain.commit_of(snapshot)
            if row is None or committed is None:
                raise NotFound(what="snapshot", name=snapshot[:SHORT_ID_DIGITS])
            if vault.chain.standing(snapshot).aside is not None:
                await asyncio.to_thread(vault.chain.bring_back, committed, who)
            return await self._keep(vault, row)

    async def remove(self, vault: OpenVault, snapshot: SnapshotId, *, expired: bool = False) -> bool:
        """Append the final removal's record (unless it is there), then delete the object and the catalog's row.
        `expired`: only if it was set aside and its undo period is over; False where that isn't so (any more). Raises as
        `set_aside`."""
        async with self._records.turn:
            await self._records.check_in_turn(vault)
            row = await self._snapshots.get(snapshot)
            if expired and (row is None or not self._may_go(vault, row) or await self._in_use.by(snapshot)):
                return False
            await self._checked(vault, snapshot)
            await asyncio.to_thread(_remove, vault, snapshot)
            await remember_last_record(self._facts, vault)
            await self._snapshots.drop([snapshot])
            return True

    def _may_go(self, vault: OpenVault, row: SnapshotRow) -> bool:
        recorded = as_recorded(row, vault.chain.standing(SnapshotId(row.id)), self._seen.now_s)
        return undo_over(recorded, self._seen.now_s)

    async def _checked(self, vault: OpenVault, snapshot: SnapshotId) -> SnapshotRow | None:
        """Raises SnapshotHeld, SnapshotInUse."""
        row = await self._snapshots.get(snapshot)
        if row is None:
            return None
        recorded = as_recorded(row, vault.chain.standing(snapshot), self._seen.now_s)
        hold = holds(recorded, self._clock.now(), self._seen.now_s)
        if hold is not None:
            raise held_error(row, hold)
        await self._in_use.check(row)
        return row

    async def _keep(self, vault: OpenVault, row: SnapshotRow) -> SnapshotRow:
        """Bring the records' word into the catalog, and tell of it."""
        await remember_last_record(self._facts, vault)
        now = as_recorded(row, vault.chain.standing(SnapshotId(row.id)), self._seen.now_s)
        await self._snapshots.put(now)
        self._news.changed(now)
        return now


def _remove(vault: OpenVault, snapshot: SnapshotId) -> None:
    committed = vault.chain.commit_of(snapshot)
    if committed is not None:
        vault.chain.remove(committed)
    try:
        vault.node.delete_snapshot(snapshot)
    except PhoenixError as error:
        if error.code != "object_missing":
            raise
