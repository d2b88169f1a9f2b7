"""Whether anything in the vault is known to be damaged or lost. While it is, nothing is deleted by itself: what lies in
the vault may help to mend that."""

import asyncio

from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.amounts import amount
from phoenix_core.engine.vault import OpenVault


async def troubles(vault: OpenVault, snapshots: Snapshots) -> str:
    """Such as `2 packs damaged or lost and 1 snapshot lost`; empty: nothing is known to be. Raises what the node
    raises."""
    status = await asyncio.to_thread(vault.node.status)
    packs = status.damaged_packs
    lost = (await snapshots.totals()).lost
    found = [] if status.index_complete else ["an index that can't be used"]
    found += [f"{amount(packs, 'pack')} damaged or lost"] if packs else []
    found += [f"{amount(lost, 'snapshot')} lost"] if lost else []
    return " and ".join(found)
