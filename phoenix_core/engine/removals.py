"""Removals of snapshots: put aside for an undo period, brought back, and in the end made final.

Each of them is a signed record first and a change of the catalog after it; all can be repeated, and a core that ends in
between finds at its start, from the records, what is to be done. What the records say decides, not the catalog: a hold
that only they know of counts.
"""

from functools import partial

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.engine.decisions import Decisions, to_its_end
from phoenix_core.engine.expiry import Expiry
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.snapshots_in_use import SnapshotsInUse
from phoenix_core.engine.standing import held_error, holds
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.annotation import Aside


class Removals:
    def __init__(
        self,
        decisions: Decisions,
        in_use: SnapshotsInUse,
        expiry: Expiry,
        seen: SeenTime,
        clock: Clock,
    ) -> None:
        self._decisions = decisions
        self._in_use = in_use
        self._expiry = expiry
        self._seen = seen
        self._clock = clock

    async def set_aside(self, vault: OpenVault, snapshot: SnapshotId, who: str, undo_s: int) -> None:
        """Remove it so that it can be brought back within `undo_s` seconds; 0: for good. One that is set aside already
        stays so. Raises SnapshotHeld, SnapshotInUse, RecordsBroken, VaultRolledBack, and what the node raises."""
        if not undo_s:
            await self.remove(vault, snapshot)
            return
        async with self._decisions.turn(vault):
            subject = await self._decisions.find(vault, snapshot)
            if subject is None:
                return
            await self._check_free(subject.row)
            aside = Aside(who, undo_s)
            append = None if subject.standing.aside else lambda: vault.chain.set_aside(subject.committed, aside)
            await self._decisions.record(vault, subject, append)

    async def bring_back(self, vault: OpenVault, snapshot: SnapshotId, who: str) -> SnapshotRow:
        """Undo a removal; of a snapshot that isn't removed, nothing. Raises NotFound where it is gone for good, else as
        `set_aside`."""
        async with self._decisions.turn(vault):
            subject = await self._decisions.subject(vault, snapshot)
            append = None if subject.standing.aside is None else lambda: vault.chain.bring_back(subject.committed, who)
            return await self._decisions.record(vault, subject, append)

    async def remove(self, vault: OpenVault, snapshot: SnapshotId) -> None:
        """Append the final removal's record (unless it is there), then delete the object and the catalog's row. Raises
        as `set_aside`."""
        async with self._decisions.turn(vault):
            await self._remove(vault, snapshot)

    async def expire(self, vault: OpenVault, snapshot: SnapshotId) -> bool:
        """As `remove`, for one whose undo period is over; False where it isn't removed any more, or was removed anew.
        Raises RemovalWaits, else as `set_aside`."""
        async with self._decisions.turn(vault):
            subject = await self._decisions.find(vault, snapshot)
            if subject is not None:
                if not self._expiry.is_over(subject.row):
                    return False
                await self._expiry.check(vault, subject.row)
            elif vault.chain.commit_of(snapshot) is not None:
                return False
            await self._remove(vault, snapshot)
            return True

    async def _remove(self, vault: OpenVault, snapshot: SnapshotId) -> None:
        subject = await self._decisions.find(vault, snapshot)
        if subject is not None:
            await self._check_free(subject.row)
        await to_its_end(partial(_delete, vault, snapshot))
        await self._decisions.forget(vault, snapshot)

    async def _check_free(self, row: SnapshotRow) -> None:
        """Raises SnapshotHeld, SnapshotInUse."""
        hold = holds(row, self._clock.now(), self._seen.now_s)
        if hold is not None:
            raise held_error(row, hold)
        await self._in_use.check(row)


def _delete(vault: OpenVault, snapshot: SnapshotId) -> None:
    committed = vault.chain.commit_of(snapshot)
    if committed is not None:
        vault.chain.remove(committed)
    try:
        vault.node.delete_snapshot(snapshot)
    except PhoenixError as error:
        if error.code != "object_missing":
            raise
