"""Verify: is everything there that the snapshots need, and is it what it was? Core only.

`structure` follows the records, opens every snapshot, reads every tree and finds every chunk in a pack that is there in
full length; packs that have their turn (`readturn`) are read as by `chunks`. `packs` reads every pack and compares its
bytes with its name. `chunks` also decrypts every chunk and compares it with its keyed id. Packs are looked at, and
beside that every tree is read and every chunk found. Where anything is wrong, one more walk over the trees names the
snapshots and files that need what was found damaged. What is damaged is marked so before, and counts as missing for the
next backup, which heals it. Prune and removals of snapshots may run beside it: what goes meanwhile is no damage.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice

import msgspec

from phoenix_core.domain.amounts import amount
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SHORT_ID_DIGITS, PackId, SnapshotId
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.vault import descriptor as descriptors
from phoenix_core.vault.corereader import CoreReader
from phoenix_core.vault.damage import Damage, DamageBook
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.errors import RecordDamaged, UnknownVersion, VaultError
from phoenix_core.vault.layout import DESCRIPTOR
from phoenix_core.vault.maintenance_node import IsCancelled, MaintenanceNode, never_cancelled
from phoenix_core.vault.mark import Marker, MarkFailed
from phoenix_core.vault.packcontents import Upkeep
from phoenix_core.vault.packproof import PackFault, PackReading, Turns, mark_pack
from phoenix_core.vault.record import FIRST_PREVIOUS, Record, RecordKind, live_snapshots, verify
from phoenix_core.vault.record import record_hash as hash_of_record
from phoenix_core.vault.snapshot import SnapshotBody
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.verify_trees import ASK_CHUNKS, TreeVerifier
from phoenix_core.vault.verify_whole import WholeLook
from phoenix_core.vault.wrap import check_descriptor

GAPS_NAMED = 1000
"""So many missing records are named one by one; an object under any number may be put beside them."""


class VerifyProgress(msgspec.Struct, frozen=True):
    phase: str
    """`records`, `packs`, `trees`."""
    done: int = 0
    total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0


class VerifyReport(msgspec.Struct, frozen=True):
    depth: VerifyDepth
    snapshots: int
    trees: int
    files: int
    packs: int
    chunks: int
    """Decrypted and re-hashed; 0 unless the depth is `chunks`."""
    bytes_read: int
    """Of packs."""
    damages: tuple[Damage, ...]
    unneeded: tuple[str, ...] = ()
    """A sentence for each pack that is damaged or gone, and of which no snapshot needs what is; prune deletes it."""
    faults: tuple[PackFault, ...] = ()
    """Every pack with something wrong, needed or not."""
    packs_read: int = 0
    """To their end, and found sound."""
    packs_in_turn: int = 0
    """Beyond the depth to be read; `packs_read` is less where others came first."""
    returned: tuple[PackId, ...] = ()
    """Packs that had been found damaged or lost, and are sound; they are marked usable again."""

    @property
    def ok(self) -> bool:
        return not self.damages


Report = Callable[[VerifyProgress], None]


def _silent(progress: VerifyProgress) -> None:
    del progress


def verify_vault(
    node: MaintenanceNode,
    key: VaultKey,
    depth: VerifyDepth,
    snapshots: Sequence[SnapshotId] = (),
    progress: Report = _silent,
    cancelled: IsCancelled = never_cancelled,
    *,
    last_record: int = 0,
    expected: Collection[SnapshotId] = (),
    descriptor: VaultDescriptor | None = None,
    turns: Turns | None = None,
) -> VerifyReport:
    """Verify all snapshots, or those named. `last_record` is the highest record that the core remembers: fewer in the
    vault are a roll-back. `expected`: snapshots that the core has seen committed, and not removed.
    `descriptor`: vault.json as the core knows it. `turns`: packs to read beyond the depth.

    Raises `MaintenanceCancelled`, and what the node raises; damage is in the report."""
    book = DamageBook()
    progress(VerifyProgress("records"))
    chain = _check_records(node, key, last_record, book)
    live = live_snapshots(chain)
    _check_expected(node, key, [name for name in expected if name not in live], book)
    if not snapshots:
        _check_upkeep(node.look_after(), key, descriptor, book)
    chosen = [name for name in live if not snapshots or name in snapshots]
    only = _packs_of(node, key, chosen, cancelled) if snapshots and depth is not VerifyDepth.STRUCTURE else None
    reading = PackReading(node, key, depth, cancelled, only, turns)
    with WholeLook(node, key, cancelled) as look:
        look.begin(chosen)
        faults = reading.run(lambda done, total, read, size: progress(VerifyProgress("packs", done, total, read, size)))
        _mark(node, faults)
        core = CoreReader(node, key)
        bodies: dict[SnapshotId, SnapshotBody] = {}
        for number, name in enumerate(chosen):
            progress(VerifyProgress("trees", number, len(chosen)))
            body = _open(core, name, live[name], book)
            if body is not None and (faults or not look.is_whole(name)):
                bodies[name] = body
    trees = TreeVerifier(node, key, faults, book, cancelled, None if faults else look)
    for number, (name, body) in enumerate(bodies.items()):
        progress(VerifyProgress("trees", number, len(bodies)))
        trees.verify(name, body)
    book.forget(_removed_meanwhile(node, key, live))
    for fault in faults:
        if not fault.is_known or fault.pack_id in trees.leaning:
            book.open(fault.cause, fault.text)
    return VerifyReport(
        depth=depth,
        snapshots=len(chosen),
        trees=trees.trees,
        files=trees.files,
        packs=reading.packs,
        chunks=reading.chunks,
        bytes_read=reading.bytes_read,
        packs_read=reading.packs_read,
        packs_in_turn=reading.packs_in_turn,
        damages=book.damages(),
        unneeded=() if snapshots else tuple(fault.text for fault in faults if not book.has(fault.cause)),
        faults=tuple(faults),
        returned=tuple(reading.returned),
    )


def _packs_of(
    node: MaintenanceNode, key: VaultKey, snapshots: Sequence[SnapshotId], cancelled: IsCancelled
) -> frozenset[PackId] | None:
    """The packs that hold what these snapshots need; None, which is all, where that can't be found out."""
    marker = Marker(node, key, cancelled)
    try:
        marker.mark(snapshots)
    except MarkFailed:
        return None
    needed: set[PackId] = set()
    chunks = iter(marker.chunks)
    while batch := list(islice(chunks, ASK_CHUNKS)):
        needed.update(PackId(copy.pack_id) for copies in node.locate_all(batch, lost=True) for copy in copies)
    return frozenset(needed)


def _check_records(node: MaintenanceNode, key: VaultKey, last_record: int, book: DamageBook) -> list[Record]:
    """Every record that can be believed; what is wrong with the others goes into the book."""
    chain: list[Record] = []
    previous: bytes | None = FIRST_PREVIOUS
    expected = 1
    left_to_name = GAPS_NAMED
    for sequence, encoded in node.records():
        if sequence != expected:
            previous = None
        for gone in range(expected, min(sequence, expected + left_to_name)):
            book.open(f"record {gone}", RecordDamaged(sequence=gone, detail="it is gone").message, of_records=True)
            left_to_name -= 1
        try:
            record = verify(encoded, key.record_public_key(), sequence=sequence)
            if record.sequence != sequence:
                raise RecordDamaged(sequence=sequence, detail=f"it is number {record.sequence} under another name")
            if previous is not None and record.previous != previous:
                raise RecordDamaged(sequence=sequence, detail="it does not follow the record before it")
            chain.append(record)
            previous = hash_of_record(encoded)
        except (RecordDamaged, UnknownVersion) as error:
            what = error.message if isinstance(error, RecordDamaged) else f"Record {sequence}: {error.message}"
            book.open(f"record {sequence}", what, of_records=True)
            chain += _believable(encoded, key, sequence)
            previous = None  # what it was isn't known, so the next one isn't accused of not following it
        expected = sequence + 1
    if expected - 1 < last_record:
        text = f"The vault has {expected - 1} records; this core has seen {last_record}: it was rolled back."
        book.open("rollback", text, of_records=True)
    return chain


def _check_expected(node: MaintenanceNode, key: VaultKey, unknown: Sequence[SnapshotId], book: DamageBook) -> None:
    """Snapshots whose commit the records don't tell of any more, unless they have been removed since."""
    if not unknown:
        return
    removed = {
        record.snapshot_id
        for sequence, encoded in node.records()
        for record in _believable(encoded, key, sequence)
        if record.kind is RecordKind.REMOVE
    }
    for name in unknown:
        if name not in removed:
            what = f"Snapshot {name[:SHORT_ID_DIGITS]} was committed, and no record tells of that any more."
            book.hit(f"snapshot {name}", what, name, b"/", of_records=True)


def _check_upkeep(upkeep: Upkeep, key: VaultKey, known: VaultDescriptor | None, book: DamageBook) -> None:
    for name in upkeep.damaged_index:
        text = f"The index object {name.rpartition('/')[2][:16]} is damaged; `phoenix vault repair` writes it anew."
        book.open(name, text)
    if upkeep.uncovered_packs and not upkeep.damaged_index:
        text = f"Heads and tails of {amount(upkeep.uncovered_packs, 'pack')} are in no index object any more"
        book.open("index objects", f"{text}; `phoenix vault repair` writes them anew.")
    if upkeep.owner_problem:
        text = f"The object owner was changed: {upkeep.owner_problem}. A restart of the storage node writes it anew."
        book.open("owner", text)
    if upkeep.descriptor_gone:
        book.open(DESCRIPTOR, "vault.json is gone from the vault.")
    elif upkeep.descriptor:
        try:
            found = descriptors.decode(upkeep.descriptor)
            check_descriptor(found, key)
        except VaultError as error:
            book.open(DESCRIPTOR, f"vault.json was changed: {error.message}")
            return
        if known is not None and found != known:
            book.open(
                DESCRIPTOR,
                "vault.json was changed, or an older one was put back: its recovery passphrase may be another one, or "
                "none. `phoenix vault key change-passphrase` writes it anew.",
            )


def _believable(encoded: bytes, key: VaultKey, sequence: int) -> list[Record]:
    """A record that is out of place but signed still tells of a snapshot."""
    try:
        return [verify(encoded, key.record_public_key(), sequence=sequence)]
    except (RecordDamaged, UnknownVersion):
        return []


def _open(core: CoreReader, name: SnapshotId, record: Record, book: DamageBook) -> SnapshotBody | None:
    try:
        body = core.snapshot(name)
    except PhoenixError as error:
        if error.retryable:
            raise
        book.hit(f"snapshot {name}", f"Snapshot {name[:12]} can't be opened: {error.message}", name, b"/")
        return None
    if body.agent_public_key != record.agent_public_key:
        book.hit(f"snapshot {name}", f"Snapshot {name[:12]} was signed by another key than was recorded.", name, b"/")
    return body


def _removed_meanwhile(
    node: MaintenanceNode, key: VaultKey, live: Mapping[SnapshotId, Record]
) -> frozenset[SnapshotId]:
    """Of the snapshots that were live when the verify began, those that have been removed since."""
    last = max((record.sequence for record in live.values()), default=0)
    later: list[Record] = []
    for sequence, encoded in node.records(last):
        later += _believable(encoded, key, sequence)
    return frozenset(
        SnapshotId(record.snapshot.hex()) for record in later if record.kind is RecordKind.REMOVE
    ) & frozenset(live)


def _mark(node: MaintenanceNode, faults: Sequence[PackFault]) -> None:
    """Make the node know what was found, so that the chunks count as missing for the next backup."""
    for fault in faults:
        if fault.state is not None:
            mark_pack(node, PackId(fault.pack_id), fault.state)
