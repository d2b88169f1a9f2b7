"""At a core's start: the catalog's snapshots are made what the vault's records say, and a roll-back is found out."""

import asyncio
from collections.abc import Callable

import structlog

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.engine.commit import (
    forget_last_record,
    lost_snapshot_row,
    read_body,
    remember_last_record,
    rolled_back,
    snapshot_row,
)
from phoenix_core.engine.errors import VaultRolledBack
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.record import Record

log = structlog.get_logger(__name__)


async def reconcile(
    vault: OpenVault, snapshots: Snapshots, facts: Facts, name_of: Callable[[str], str], *, accepted: int = 0
) -> VaultRolledBack | None:
    """Load the records, repair the catalog's snapshots. Returns what a roll-back left behind, if there was one.

    `accepted`: number of the record whose loss an operator accepted."""
    await asyncio.to_thread(vault.chain.load)
    found = await rolled_back(facts, vault)
    if found is not None and found.fields["expected"] == accepted:
        log.warning("the loss of records is accepted", record=accepted)
        await forget_last_record(facts, vault)
        found = None
    if found is not None:
        log.error("the vault was rolled back", found=found.fields["found"], expected=found.fields["expected"])
    live = vault.chain.live()
    known = {row.id: row for row in await snapshots.listed()}
    present = set(await asyncio.to_thread(vault.node.snapshots))
    gone = [each for each in known if each not in live]
    if found is None and vault.chain.broken is None:
        await snapshots.drop(gone)
    else:
        # The records can't be believed to the end: what is known stays, so that it isn't lost silently.
        await snapshots.mark([each for each in gone if each not in present], readable=False)
    for snapshot, record in live.items():
        row = known.get(snapshot)
        if row is None or (not row.readable and snapshot in present):
            read = await asyncio.to_thread(read_row, vault, snapshot, record, name_of)
            if row is None or read.readable:
                await snapshots.put(read)
        elif row.readable and snapshot not in present:
            log.error("a committed snapshot is gone from the vault", snapshot=snapshot)
            await snapshots.mark([snapshot], readable=False)
    for snapshot in vault.chain.removed() & present:
        # A removal whose record was written, and the core ended before the object went.
        try:
            await asyncio.to_thread(vault.node.delete_snapshot, snapshot)
        except PhoenixError as error:
            log.warning("a removed snapshot is still there", snapshot=snapshot, error=error.message)
    await remember_last_record(facts, vault)
    return found


def read_row(vault: OpenVault, snapshot: SnapshotId, record: Record, name_of: Callable[[str], str]) -> SnapshotRow:
    """What the vault says of a committed snapshot; one that can't be read has `readable` false. Blocks."""
    try:
        body = read_body(vault, snapshot)
    except PhoenixError as error:
        log.error("a committed snapshot can't be read", snapshot=snapshot, error=error.message)  # noqa: TRY400
        return lost_snapshot_row(record, name_of(record.server_id))
    name = name_of(body.server_id)
    return snapshot_row(snapshot, body, record, body.hostname or name if name == body.server_id else name)
