"""What backups sent that were stopped, or failed, before their snapshot: the next backup of the same server finds it
again, so that a first full backup may take many windows. Core only.

No snapshot needs it, so what it is can be told by its age only: it was stored since the newest snapshot of its server's
files. Dumps don't count there: they come and go beside a first full backup that takes many windows.
"""

from collections.abc import Iterable

import msgspec

from phoenix_core.domain.ids import PackId
from phoenix_core.vault.mark import Inventory
from phoenix_core.vault.packinfo import PackInfo


class Stopped(msgspec.Struct, frozen=True):
    """How a prune tells and treats it."""

    now_ns: int
    within_ns: int
    """What was stored longer ago is as unused as anything else; so is what is of a time as far to come."""
    spared: bool = False
    """Whether it stays."""
    dumps: frozenset[str] = frozenset()
    """Ids of the snapshots that are of streams."""

    def packs(self, packs: Iterable[PackInfo], inventory: Inventory) -> frozenset[PackId]:
        """Those that a stopped backup may have stored."""
        newest: dict[str, int] = {}
        for snapshot, record in inventory.live.items():
            if snapshot in self.dumps:
                continue
            newest[record.server_id] = max(record.time_ns, newest.get(record.server_id, 0))
        return frozenset(
            PackId(info.pack_id)
            for info in packs
            if abs(self.now_ns - info.stored_at_ns) < self.within_ns
            and info.stored_at_ns > newest.get(info.server_id, 0)
        )
