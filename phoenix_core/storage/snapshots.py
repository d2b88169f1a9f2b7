"""Snapshots and records in the vault: staged, committed by a record, removed once nothing relies on them."""

from functools import partial

from blake3 import blake3

from phoenix_core.domain.ids import SnapshotId
from phoenix_core.storage.errors import LeaseRefused, ObjectMissing, PlanOutdated, RecordRefused, SnapshotRefused
from phoenix_core.storage.objectstore import ObjectStore
from phoenix_core.storage.parts import Parts
from phoenix_core.vault.environment import Txn
from phoenix_core.vault.errors import RecordDamaged, SnapshotDamaged, UnknownVersion
from phoenix_core.vault.layout import (
    RECORDS,
    SNAPSHOTS,
    parse_record_name,
    parse_snapshot_name,
    record_name,
    snapshot_name,
)
from phoenix_core.vault.record import RecordKind
from phoenix_core.vault.record import parse as parse_record

MAX_SNAPSHOT_BYTES = 256 << 20


class SnapshotShelf:
    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    # --- snapshots ---

    def stage(self, sealed: bytes) -> SnapshotId:
        if not 0 < len(sealed) <= MAX_SNAPSHOT_BYTES:
            raise SnapshotRefused(reason=f"it has {len(sealed)} bytes")
        snapshot_id = SnapshotId(blake3(sealed).hexdigest())
        name = snapshot_name(snapshot_id)
        if not self._store.put(name, sealed, if_absent=True) and self._store.get(name) != sealed:
            self._store.put(name, sealed)  # what was there had rotted
        return snapshot_id

    def names(self) -> list[SnapshotId]:
        names = (parse_snapshot_name(info.name) for info in self._store.list(SNAPSHOTS))
        return [name for name in names if name is not None]

    def read(self, snapshot_id: SnapshotId) -> bytes:
        """Raises ObjectMissing; SnapshotDamaged where it is larger than any that was staged."""
        name = self._name(snapshot_id)
        found = self._store.head(name)
        if found is not None and found.bytes > MAX_SNAPSHOT_BYTES:
            raise SnapshotDamaged(detail=f"it has {found.bytes:,} bytes")
        return self._store.get(name)

    def check_parent(self, parts: Parts, parent: SnapshotId) -> None:
        """Whether a lease may be opened on this parent. Raises LeaseRefused."""
        with parts.environment.reading() as txn:
            doomed = txn.get(parent.encode(), db=parts.doomed) is not None
        if doomed or self._store.head(self._name(parent)) is None:
            raise LeaseRefused(lease="for the backup", detail=f"its parent snapshot {parent[:12]} was removed")

    def delete(self, parts: Parts, snapshot_id: SnapshotId) -> None:
        """Now, or when the last live lease on it as parent ends."""
        self._name(snapshot_id)
        parts.environment.write(lambda txn: txn.put(snapshot_id.encode(), b"1", db=parts.doomed))
        self.delete_doomed(parts)

    def delete_doomed(self, parts: Parts) -> None:
        def work(txn: Txn) -> list[bytes]:
            parts.leases.lapse_overdue(txn)
            parents = {row.parent.encode() for row in parts.leases.live(txn).values()}
            with txn.cursor(parts.doomed) as cursor:
                return [bytes(key) for key, _ in cursor if bytes(key) not in parents]

        with parts.environment.reading() as txn:
            if txn.stat(parts.doomed)["entries"] == 0:
                return
        for key in parts.environment.write(work):
            self._store.delete(self._name(SnapshotId(key.decode())))
            parts.environment.write(partial(_forget, parts, key))

    def _name(self, snapshot_id: SnapshotId) -> str:
        name = snapshot_name(snapshot_id)
        if parse_snapshot_name(name) is None:
            raise ObjectMissing(place=self._store.place, name=name)
        return name

    # --- records ---

    def append_record(self, sequence: int, record: bytes) -> None:
        name = record_name(sequence)
        if sequence < 1 or (sequence > 1 and self._store.head(record_name(sequence - 1)) is None):
            raise RecordRefused(sequence=sequence, reason=f"record {sequence - 1} isn't there")
        if not self._store.put(name, record, if_absent=True) and self._store.get(name) != record:
            raise RecordRefused(sequence=sequence, reason="another record has that number")

    def records(self, after: int) -> list[tuple[int, bytes]]:
        found = ((parse_record_name(info.name), info.name) for info in self._store.list(RECORDS))
        return [(number, self._store.get(name)) for number, name in found if number is not None and number > after]

    def count_records(self) -> int:
        return sum(1 for info in self._store.list(RECORDS) if parse_record_name(info.name) is not None)

    def check_plan(self, seen_record: int) -> None:
        """Raises PlanOutdated where a record after that one committed a snapshot."""
        for number, record in self.records(seen_record):
            try:
                commits = parse_record(record, sequence=number).kind is RecordKind.COMMIT
            except (RecordDamaged, UnknownVersion):
                commits = True
            if commits:
                raise PlanOutdated(seen=seen_record, found=number)


def _forget(parts: Parts, snapshot_id: bytes, txn: Txn) -> None:
    txn.delete(snapshot_id, db=parts.doomed)
