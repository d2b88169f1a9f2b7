"""The vault's signed records, verified at the core's start and extended by each commit, removal and decision between
the two."""

import threading
from collections.abc import Iterable
from enum import Enum

import msgspec

from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import LeaseId, SnapshotId
from phoenix_core.engine.vault_errors import RecordsBroken, RecordsNewer, VaultRolledBack
from phoenix_core.storage.errors import RecordRefused
from phoenix_core.storage.node_api import CoreNode
from phoenix_core.vault.annotation import Annotation, Aside, Detail, Standing, seal, standings_of, take
from phoenix_core.vault.errors import RecordDamaged, UnknownVersion
from phoenix_core.vault.record import (
    FIRST_PREVIOUS,
    Record,
    RecordKind,
    SealedRecord,
    live_snapshots,
    record_hash,
    sign,
    verify,
    verify_chain,
)
from phoenix_core.vault.vaultkey import VaultKey


class Stored(Enum):
    """What the store has, against the records that are known."""

    SAME = "same"
    CHANGED = "changed"
    NONE = "none"
    """Not a single record, as where a disk isn't mounted."""


class RecordChain:
    """Thread-safe. All methods but `last`, `live`, `owe` and those of standings block on the storage node."""

    def __init__(self, node: CoreNode, key: VaultKey, clock: Clock) -> None:
        self._node = node
        self._vault_key = key
        self._key = key.record_signing_key()
        self._clock = clock
        self._lock = threading.Lock()
        self._records: list[Record] = []
        self._hashes: list[bytes] = []
        self._behind: list[Record] = []
        self._standings: dict[SnapshotId, Standing] = {}
        self._at_end: dict[SnapshotId, Standing] = {}
        """The same, without what is said behind a break."""
        self._late: set[SnapshotId] = set()
        self._unanswered: list[Record] = []
        """Tried under the next number without learning whether the store has them."""
        self.broken: RecordsBroken | None = None
        """Why the chain can't be trusted beyond `last`; None while it can."""

    def load(self) -> None:
        """Read and verify all records. Where the chain is damaged it ends there, which `broken` says; of what comes
        behind, records whose own signature holds still tell of snapshots."""
        public_key = self._key.public_key().public_bytes_raw()
        with self._lock:
            records: list[Record] = []
            hashes: list[bytes] = []
            behind: list[Record] = []
            standings: dict[SnapshotId, Standing] = {}
            broken: RecordsBroken | None = None
            previous = FIRST_PREVIOUS
            for sequence, encoded in self._node.records():
                if broken is None:
                    try:
                        (record,) = verify_chain(
                            [(sequence, encoded)], public_key, after=len(records), previous=previous
                        )
                        take(standings, record, self._vault_key)
                        records.append(record)
                        previous = record_hash(encoded)
                        hashes.append(previous)
                        continue
                    except (RecordDamaged, UnknownVersion) as error:
                        broken = _why_broken(len(records) + 1, error)
                behind += self._believable(encoded, sequence)
            self._records, self._hashes, self._behind, self.broken = records, hashes, behind, broken
            self._at_end = standings
            self._standings = standings_of([*records, *behind], self._vault_key) if behind else standings
            self._unanswered = [each for each in self._unanswered if each.previous == self.last_hash]

    def compare(self) -> Stored:
        """Whether the store still has these records: their count, and the newest one's bytes. Takes up a record whose
        answer was lost. Raises what the node raises."""
        with self._lock:
            self._take_up()
            newest = [(number, record_hash(encoded)) for number, encoded in self._node.records(max(self.last - 1, 0))]
            stored = self._node.status().records
            if not stored and self.last:
                return Stored.NONE
            known = [(self.last, self.last_hash)] if self.last else []
            same = newest == known and stored == self.last and self.broken is None
            return Stored.SAME if same else Stored.CHANGED

    @property
    def last(self) -> int:
        """Number of the newest record; 0: there is none."""
        return len(self._records)

    @property
    def last_hash(self) -> bytes:
        return self._hashes[-1] if self._hashes else FIRST_PREVIOUS

    def hash_of(self, sequence: int) -> bytes | None:
        return self._hashes[sequence - 1] if 0 < sequence <= len(self._hashes) else None

    def live(self) -> dict[SnapshotId, Record]:
        """The snapshots that count, each with its commit's record."""
        with self._lock:
            return live_snapshots([*self._records, *self._behind])

    def given_up(self, known: Iterable[SnapshotId]) -> list[SnapshotId]:
        """Of the snapshots that are known, or that a record behind a break tells of, those that would count no more
        if the records ended at `last`."""
        with self._lock:
            told = {record.snapshot_id for record in self._records}
            live = live_snapshots([*self._records, *self._behind])
        return [snapshot for snapshot in dict.fromkeys([*known, *live]) if snapshot not in told]

    def removed(self) -> set[SnapshotId]:
        """Snapshots whose removal is the last word on them."""
        live = self.live()
        with self._lock:
            words = (*self._records, *self._behind)
        return {record.snapshot_id for record in words if record.kind is RecordKind.REMOVE} - live.keys()

    def standing(self, snapshot_id: SnapshotId) -> Standing:
        """What is decided about a live snapshot: its annotation, and whether it is set aside."""
        return self._standings.get(snapshot_id, Standing())

    def standing_at_end(self, snapshot_id: SnapshotId) -> Standing:
        """What would be decided about it if the records ended at `last`."""
        return self._at_end.get(snapshot_id, Standing())

    def standings(self) -> dict[SnapshotId, Standing]:
        """Of the snapshots about which anything is."""
        with self._lock:
            return dict(self._standings)

    def commit_of(self, snapshot_id: SnapshotId) -> Record | None:
        return self.live().get(snapshot_id)

    def commit(self, snapshot_id: SnapshotId, server_id: str, agent_key: bytes, lease: LeaseId | None) -> Record:
        """Append the record of a commit. Raises RecordsBroken, and what the node raises (LeaseLapsed)."""
        return self._append(self._drafted(RecordKind.COMMIT, snapshot_id, server_id, agent_key), lease)

    def remove(self, committed: Record) -> Record:
        """Append the record of a committed snapshot's removal, after which nothing brings it back."""
        return self._decide(committed, RecordKind.REMOVE, None)

    def annotate(self, committed: Record, annotation: Annotation) -> Record:
        """Append the record that this is what is said of a committed snapshot."""
        return self._decide(committed, RecordKind.ANNOTATE, annotation)

    def set_aside(self, committed: Record, aside: Aside) -> Record:
        """Append the record of a removal that can be undone."""
        return self._decide(committed, RecordKind.SET_ASIDE, aside)

    def bring_back(self, committed: Record, who: str) -> Record:
        """Append the record that such a removal is undone."""
        return self._decide(committed, RecordKind.BRING_BACK, Aside(who, 0))

    def take_up(self) -> None:
        """Take up a record that was written although its answer was lost. Raises what the node raises."""
        with self._lock:
            self._take_up()

    def taken_late(self) -> set[SnapshotId]:
        """Snapshots of whose newest record the catalog may know nothing, since this was asked last: its answer was lost
        and it was taken up, or the catalog could not take it (`owe`)."""
        with self._lock:
            late, self._late = self._late, set()
        return late

    def owe(self, snapshots: Iterable[SnapshotId]) -> None:
        """What the records say of these isn't in the catalog yet."""
        with self._lock:
            self._late.update(snapshots)

    def check_known(self, sequence: int, known_hash: bytes) -> None:
        """Raises VaultRolledBack unless the record that this core saw last is still the one under that number."""
        if sequence and self.hash_of(sequence) != known_hash:
            raise VaultRolledBack(found=self.last, expected=sequence)

    def _decide(self, committed: Record, kind: RecordKind, detail: Detail | None) -> Record:
        draft = self._drafted(kind, committed.snapshot_id, committed.server_id, committed.agent_public_key)
        if detail is None:
            return self._append(draft, None)
        fields = msgspec.structs.asdict(draft)
        sealed = seal(self._vault_key, kind, draft.snapshot, detail)
        return self._append(SealedRecord(**fields, sealed=sealed), None)

    def _append(self, draft: Record, lease: LeaseId | None) -> Record:
        with self._lock:
            if self.broken is not None:
                raise self.broken
            wanted = self._next(draft)
            found = self._take_up()
            if found is not None:
                if _same(found, wanted):
                    return found
                wanted = self._next(draft)
            encoded = sign(wanted, self._key)
            try:
                self._node.append_record(wanted.sequence, encoded, lease)
            except PhoenixError as error:
                if not isinstance(error, RecordRefused) and not any(_same(each, wanted) for each in self._unanswered):
                    self._unanswered.append(wanted)
                found = self._take_up()
                if found is None or not _same(found, wanted):
                    raise
                return found
            self._add(wanted, encoded)
            return wanted

    def _drafted(self, kind: RecordKind, snapshot_id: SnapshotId, server_id: str, agent_key: bytes) -> Record:
        time_ns = int(self._clock.now().timestamp() * 1_000_000) * 1000
        return Record(1, FIRST_PREVIOUS, time_ns, kind, server_id, agent_key, bytes.fromhex(snapshot_id))

    def _next(self, draft: Record) -> Record:
        """The draft in its place at the chain's end."""
        return msgspec.structs.replace(draft, sequence=len(self._records) + 1, previous=self.last_hash)

    def _add(self, record: Record, encoded: bytes) -> None:
        take(self._standings, record, self._vault_key)
        self._records.append(record)
        self._hashes.append(record_hash(encoded))
        self._unanswered.clear()

    def _believable(self, encoded: bytes, sequence: int) -> list[Record]:
        try:
            record = verify(encoded, self._key.public_key().public_bytes_raw(), sequence=sequence)
            take({}, record, self._vault_key)
        except (RecordDamaged, UnknownVersion):
            return []
        return [record]

    def _take_up(self) -> Record | None:
        """The record under the next number, where it is one whose answer was lost: it counts from now on. One that this
        core never tried is another core's and isn't taken. Raises what the node raises."""
        if not self._unanswered:
            return None
        for sequence, encoded in self._node.records(len(self._records)):
            if sequence == len(self._records) + 1:
                found = verify(encoded, self._key.public_key().public_bytes_raw(), sequence=sequence)
                if any(_same(found, each) for each in self._unanswered):
                    self._late.add(found.snapshot_id)
                    self._add(found, encoded)
                    return found
        return None


def _same(one: Record, other: Record) -> bool:
    """Whether they say the same, whenever they were signed."""
    return msgspec.structs.replace(one, time_ns=other.time_ns) == other


def _why_broken(sequence: int, error: RecordDamaged | UnknownVersion) -> RecordsBroken:
    if isinstance(error, UnknownVersion):
        return RecordsNewer(sequence=sequence, detail=error.message.rstrip("."))
    return RecordsBroken(sequence=sequence, detail=error.message.rstrip("."))
