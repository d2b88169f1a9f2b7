"""The catalog's snapshots are made what the vault's records say, and a roll-back is found out: at a core's start, and
where the store has other records than before."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SHORT_ID_DIGITS, SnapshotId
from phoenix_core.engine.commit import (
    forget_last_record,
    last_record_seen,
    lost_snapshot_row,
    read_body,
    remember_last_record,
    rolled_back,
    snapshot_row,
)
from phoenix_core.engine.lost_decisions import named, record_anew
from phoenix_core.engine.record_chain import RecordChain
from phoenix_core.engine.standing import as_recorded, kept_readings
from phoenix_core.engine.vault import OpenVault
from phoenix_core.engine.vault_errors import RecordsBroken, RecordsNewer, VaultRolledBack
from phoenix_core.vault.record import Record

NAMED = 20

log = structlog.get_logger(__name__)


async def reconcile(
    vault: OpenVault,
    snapshots: Snapshots,
    facts: Facts,
    name_of: Callable[[str], str],
    *,
    seen_s: float = 0.0,
    accepted: int = 0,
) -> RecordsBroken | VaultRolledBack | None:
    """Load the records, repair the catalog's snapshots. Returns why the records can't be believed to the end.

    `seen_s`: reading of `SeenTime`. `accepted`: number of the record whose loss an operator accepted."""
    await asyncio.to_thread(vault.chain.load)
    live, removed = vault.chain.live(), vault.chain.removed()
    known = {SnapshotId(row.id): row for row in await snapshots.listed(removed=None)}
    gone = [each for each in known if each not in live]
    found = await _problem(vault, facts, known)
    if isinstance(found, VaultRolledBack) and found.fields["expected"] == accepted:
        log.warning("the loss of records is accepted", record=accepted, snapshots=vault.chain.given_up(known))
        await asyncio.to_thread(_record_anew, vault, [row for each, row in known.items() if each in live], seen_s)
        await forget_last_record(facts, vault)
        found = None
    present = set(await asyncio.to_thread(vault.node.snapshots))
    if found is None:
        # Each record holds the hash of the one before, so that with the newest all are there that were ever seen.
        await snapshots.drop(gone)
    else:
        # The records can't be believed to the end: what is known stays, so that it isn't lost silently.
        await snapshots.mark([each for each in gone if each not in present], readable=False)
    for snapshot, record in live.items():
        row = known.get(snapshot)
        if row is None or (not row.readable and snapshot in present):
            read = await asyncio.to_thread(read_row, vault, snapshot, record, name_of)
            if row is None:
                await snapshots.put(as_recorded(read, vault.chain.standing(snapshot), seen_s))
            elif read.readable:
                await snapshots.put(kept_readings(read, row))
        elif row.readable and snapshot not in present:
            log.error("a committed snapshot is gone from the vault", snapshot=snapshot)
            await snapshots.mark([snapshot], readable=False)
    if found is not None:
        return found  # what was decided stays as it is known, too
    await _take_standings(vault, snapshots, live, seen_s)
    for snapshot in removed & present:
        # A removal whose record was written, and the core ended before the object went.
        try:
            await asyncio.to_thread(vault.node.delete_snapshot, snapshot)
        except PhoenixError as error:
            log.warning("a removed snapshot is still there", snapshot=snapshot, error=error.message)
    await remember_last_record(facts, vault)
    return None


def _record_anew(vault: OpenVault, rows: Iterable[SnapshotRow], seen_s: float) -> None:
    """Before the loss is forgotten, so that a core which ends amid it does the rest at its next start. Blocks."""
    live = vault.chain.live()
    for row in rows:
        record_anew(vault.chain, live[SnapshotId(row.id)], row, seen_s)


async def _take_standings(vault: OpenVault, snapshots: Snapshots, live: Iterable[SnapshotId], seen_s: float) -> None:
    """What was decided about the snapshots: a core may have ended between a record and the catalog."""
    counting = set(live)
    for row in await snapshots.listed(removed=None):
        if row.id in counting:
            now = as_recorded(row, vault.chain.standing(SnapshotId(row.id)), seen_s)
            if now != row:
                await snapshots.put(now)


async def _problem(
    vault: OpenVault, facts: Facts, known: Mapping[SnapshotId, SnapshotRow]
) -> RecordsBroken | VaultRolledBack | None:
    """A break first: what is behind it may be all there."""
    if vault.chain.broken is not None:
        if isinstance(vault.chain.broken, RecordsNewer):
            return vault.chain.broken
        sequence, detail = vault.chain.last + 1, str(vault.chain.broken.fields["detail"])
        last_seen = await last_record_seen(facts, vault)
        gives_up = _given_up(vault.chain, known, recorded_anew=last_seen >= sequence)
        vault.chain.broken = RecordsBroken(sequence=sequence, detail=detail, last_seen=last_seen, gives_up=gives_up)
        return vault.chain.broken
    found = await rolled_back(facts, vault)
    if found is None:
        return None
    there, expected = vault.chain.last, int(str(found.fields["expected"]))
    gives_up = _given_up(vault.chain, known, recorded_anew=True)
    return VaultRolledBack(found=there, expected=expected, gives_up=gives_up)


def _given_up(chain: RecordChain, known: Mapping[SnapshotId, SnapshotRow], *, recorded_anew: bool) -> str:
    """What it means if the records end where they can be believed, as sentences with a blank in front; empty: nothing
    is lost by it. `recorded_anew`: whether `lost_decisions.record_anew` follows."""
    gone, live = dict.fromkeys(chain.given_up(known)), chain.live()
    names = [
        f"{each[:SHORT_ID_DIGITS]} of {known[each].server_name}" if each in known else each[:SHORT_ID_DIGITS]
        for each in gone
    ]
    staying = [row for each, row in known.items() if each in live and each not in gone]
    decided = list(filter(None, (named(row, chain.standing_at_end(SnapshotId(row.id))) for row in staying)))
    text = f" That gives up {amount(len(names), 'snapshot')}: {_listed(names)}." if names else ""
    if not decided:
        return text
    if recorded_anew:
        return f"{text} What was decided since is then recorded anew: {_listed(decided)}."
    return f"{text} It gives up what was decided since: {_listed(decided)}."


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def read_row(vault: OpenVault, snapshot: SnapshotId, record: Record, name_of: Callable[[str], str]) -> SnapshotRow:
    """What the vault says of a committed snapshot; one that can't be read has `readable` false. Blocks."""
    try:
        body = read_body(vault, snapshot)
    except PhoenixError as error:
        log.error("a committed snapshot can't be read", snapshot=snapshot, error=error.message)  # noqa: TRY400
        return lost_snapshot_row(record, name_of(record.server_id))
    name = name_of(body.server_id)
    return snapshot_row(snapshot, body, record, body.hostname or name if name == body.server_id else name)
