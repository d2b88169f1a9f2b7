"""Which snapshots are sound: what they need can be had, and lies in no pack that is known to be damaged or lost."""

import asyncio
import threading
from collections.abc import Callable, Sequence

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.storage.node_api import NodeStatus, PackState
from phoenix_core.vault.maintenance_node import never_cancelled
from phoenix_core.vault.verify_whole import WholeLook


class Soundness:
    def __init__(self, seat: VaultSeat) -> None:
        self._seat = seat

    async def damaged(
        self, rows: Sequence[SnapshotRow], cancelled: Callable[[], bool] = never_cancelled
    ) -> frozenset[str]:
        """Ids of those that can be opened, and of which something else is not to be had. Only where a pack is damaged
        or lost their trees are read. Once `cancelled` says so, all that weren't looked at count as damaged. Raises
        NoVault, and what the node raises."""
        names = [SnapshotId(row.id) for row in rows if row.readable]
        if not names:
            return frozenset()
        vault, left = self._seat.get(), threading.Event()
        try:
            return await asyncio.to_thread(_damaged, vault, names, lambda: left.is_set() or cancelled())
        finally:
            left.set()


def _damaged(vault: OpenVault, names: Sequence[SnapshotId], cancelled: Callable[[], bool]) -> frozenset[str]:
    if not _answering(vault).damaged_packs:
        return frozenset()
    # Their blocks may be good ones still; what is whole for certain leans on none of them.
    spoiled = {info.pack_id for info in vault.node.packs() if info.state in {PackState.DAMAGED, PackState.LOST}}
    with WholeLook(vault.node, vault.key, cancelled, spoiled) as look:
        look.begin(names)
        found = frozenset(name for name in names if not look.is_whole(name))
    _answering(vault)  # where the node went away or lost its index meanwhile, nothing is known of them
    return found


def _answering(vault: OpenVault) -> NodeStatus:
    """Raises RemoteError where the node can't tell what it holds."""
    status = vault.node.status()
    if status.problem is not None:
        raise RemoteError(status.problem)
    return status
