"""Which removals may become final by themselves.

One does once its undo period is over, while nothing of the vault is known to be damaged or lost, and of the same data
another restore point is there: the last one goes only by an operator's word.
"""

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.engine.errors import JobSkipped, RemovalWaits
from phoenix_core.engine.in_order import troubles
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.standing import undo_over
from phoenix_core.engine.vault import OpenVault
from phoenix_core.engine.vault_errors import RemovalsLeftOut


class Expiry:
    def __init__(self, snapshots: Snapshots, seen: SeenTime) -> None:
        self._snapshots = snapshots
        self._seen = seen

    def is_over(self, row: SnapshotRow) -> bool:
        """Whether its removal can't be undone any more."""
        return undo_over(row, self._seen.now_s)

    async def over(self) -> list[SnapshotRow]:
        return [row for row in await self._snapshots.listed(removed=True) if self.is_over(row)]

    async def last_ones(self) -> list[RemovalWaits]:
        """Why some stay though their undo period is over, as far as the catalog tells."""
        return [waits(row, why) for row in await self.over() if (why := await self.why_last(row))]

    async def any_may_go(self) -> bool:
        """As far as the catalog tells."""
        for row in await self.over():
            if not await self.why_last(row):
                return True
        return False

    async def check_in_order(self, vault: OpenVault) -> None:
        """Raises JobSkipped where something is damaged or lost, and what the node raises."""
        damaged = await troubles(vault, self._snapshots)
        if damaged:
            raise JobSkipped(RemovalsLeftOut(detail=f"the vault has {damaged}").view())

    async def check(self, vault: OpenVault, row: SnapshotRow) -> None:
        """Raises RemovalWaits, and what the node raises."""
        damaged = await troubles(vault, self._snapshots)
        why = f"the vault has {damaged}" if damaged else await self.why_last(row)
        if why:
            raise waits(row, why)

    async def why_last(self, row: SnapshotRow) -> str:
        """Of the last restore point of what it holds; empty: there is another, or it can't be read itself."""
        if not row.readable:
            return ""
        there = await self._snapshots.readable_paths(row.server_id, row.server_name)
        if any(set(paths) == set(row.paths) for paths in there):
            return ""
        return f"{row.server_name} has no other restore point of {', '.join(row.paths)} that can be read"


def waits(row: SnapshotRow, why: str) -> RemovalWaits:
    return RemovalWaits(snapshot=row.id[:SHORT_ID_DIGITS], server=row.server_name, why=why)
