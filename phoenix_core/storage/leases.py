"""Leases: what a running job relies on, kept durable beside the index, so that prune leaves it alone.

    leases    lease id → LeaseRow, MessagePack
    told      lease id → ids of packs that the job was told of or stored; duplicates
    granted   job → ids of packs that it may read; duplicates

A lease lapses when its job hasn't been heard of for `ttl_s` of the node's monotonic clock. It stays listed until the
core closes it, protects nothing any more, and never comes back to life: prune may have swept since. A restart of the
node renews all others, since it can't know how long it was away.
"""

import threading
from collections.abc import Iterable, Sequence

import msgspec

from phoenix_core.domain.clock import Clock
from phoenix_core.domain.ids import LeaseId, PackId, SnapshotId
from phoenix_core.storage.errors import LeaseLapsed, LeaseRefused
from phoenix_core.storage.node_api import LeaseInfo
from phoenix_core.vault.environment import Database, Environment, Txn

LEASE_TTL_S = 1800.0


class LeaseRow(msgspec.Struct, frozen=True, array_like=True):
    job: str
    server_id: str
    parent: str
    opened_at_ns: int
    lapsed: bool = False


_encode = msgspec.msgpack.Encoder().encode
_row_of = msgspec.msgpack.Decoder(LeaseRow).decode


class Leases:
    def __init__(self, environment: Environment, clock: Clock, ttl_s: float = LEASE_TTL_S) -> None:
        self._environment = environment
        self._clock = clock
        self._ttl_s = ttl_s
        self._table = environment.table("leases")
        self._told = environment.table("told", duplicates=True, fixed=True)
        self._granted = environment.table("granted", duplicates=True, fixed=True)
        self._lock = threading.Lock()
        self._deadlines: dict[str, float] = {}
        self._told_cache: dict[str, set[bytes]] = {}
        self._granted_cache: dict[str, frozenset[bytes]] = {}
        self._granted_changes = 0
        self._renew_all()

    def open(self, lease: LeaseId, job: str, server_id: str, parent: SnapshotId | None) -> None:
        """Opening the same lease of the same job again renews it. Raises LeaseRefused, LeaseLapsed."""
        row = LeaseRow(job, server_id, parent or "", int(self._clock.now().timestamp() * 1e9))

        def work(txn: Txn) -> bool:
            found = txn.get(lease.encode(), db=self._table)
            if found is None:
                return bool(txn.put(lease.encode(), _encode(row), db=self._table))
            old = _row_of(found)
            if (old.job, old.server_id, old.parent) != (row.job, row.server_id, row.parent):
                raise LeaseRefused(lease=lease, detail=f"it is open for job {old.job}")
            return False

        if self._environment.write(work):
            with self._lock:
                self._deadlines[lease] = self._clock.monotonic_s() + self._ttl_s
                self._told_cache[lease] = set()
        else:
            self.renew(lease)

    def close(self, lease: LeaseId) -> None:
        """Forget the lease, what it was told, and its job's grants."""

        def work(txn: Txn) -> None:
            found = txn.pop(lease.encode(), db=self._table)
            with txn.cursor(self._told) as cursor:
                if cursor.set_key(lease.encode()):
                    cursor.delete(dupdata=True)
            if found is not None and (job := _row_of(found).job.encode()):
                with txn.cursor(self._granted) as cursor:
                    if cursor.set_key(job):
                        cursor.delete(dupdata=True)

        self._environment.write(work)
        with self._lock:
            self._deadlines.pop(lease, None)
            self._told_cache.pop(lease, None)
            self._granted_cache.clear()
            self._granted_changes += 1

    def renew(self, lease: str, job: str = "?") -> None:
        """Raises LeaseLapsed."""
        with self._lock:
            now = self._clock.monotonic_s()
            if self._deadlines.get(lease, -1.0) < now:
                raise LeaseLapsed(lease=lease, job=job)
            self._deadlines[lease] = now + self._ttl_s

    def tell(self, lease: str, pack_ids: Iterable[bytes], job: str = "?") -> bool:
        """Note, durably, that the job relies on these packs. True where some are new. Raises LeaseLapsed."""
        with self._lock:
            known = self._told_cache.get(lease, set())
            new = sorted(set(pack_ids) - known)
        if new:
            self._environment.write(lambda txn: self.tell_in(txn, lease, new, job))
            self.remember_told(lease, new)
        return bool(new)

    def tell_in(self, txn: Txn, lease: str, pack_ids: Iterable[bytes], job: str = "?") -> None:
        """The part of `tell` inside a larger transaction; `remember_told` once that is durable."""
        found = txn.get(lease.encode(), db=self._table)
        if found is None or _row_of(found).lapsed:
            raise LeaseLapsed(lease=lease, job=job)
        for pack_id in pack_ids:
            txn.put(lease.encode(), pack_id, db=self._told)

    def remember_told(self, lease: str, pack_ids: Iterable[bytes]) -> None:
        with self._lock:
            if lease in self._told_cache:
                self._told_cache[lease].update(pack_ids)

    def grant(self, job: str, pack_ids: Sequence[PackId]) -> None:
        def work(txn: Txn) -> None:
            for pack_id in pack_ids:
                txn.put(job.encode(), pack_id, db=self._granted)

        self._environment.write(work)
        with self._lock:
            self._granted_cache.pop(job, None)
            self._granted_changes += 1

    def granted(self, job: str) -> frozenset[bytes]:
        with self._lock:
            cached = self._granted_cache.get(job)
            changes = self._granted_changes
        if cached is None:
            with self._environment.reading() as txn:
                cached = frozenset(self._duplicates(txn, self._granted, job))
            with self._lock:
                if changes == self._granted_changes:  # else it may be what was granted before
                    self._granted_cache[job] = cached
        return cached

    def lapse_overdue(self, txn: Txn) -> None:
        """Write down which leases lapsed, so that no restart renews them; before anything relies on it."""
        now = self._clock.monotonic_s()
        with self._lock:
            overdue = [lease for lease, deadline in self._deadlines.items() if deadline < now]
        for lease in overdue:
            found = txn.get(lease.encode(), db=self._table)
            if found is not None and not _row_of(found).lapsed:
                row = msgspec.structs.replace(_row_of(found), lapsed=True)
                txn.put(lease.encode(), _encode(row), db=self._table)

    def live(self, txn: Txn) -> dict[str, LeaseRow]:
        """The leases that haven't lapsed; call `lapse_overdue` first."""
        with txn.cursor(self._table) as cursor:
            rows = {bytes(lease).decode(): _row_of(row) for lease, row in cursor}
        return {lease: row for lease, row in rows.items() if not row.lapsed}

    def protected(self, txn: Txn) -> set[bytes]:
        """All packs that live leases rely on."""
        packs: set[bytes] = set()
        for lease, row in self.live(txn).items():
            packs.update(self._duplicates(txn, self._told, lease))
            packs.update(self._duplicates(txn, self._granted, row.job))
        return packs

    def all(self) -> list[LeaseInfo]:
        now = self._clock.monotonic_s()
        with self._environment.reading() as txn, txn.cursor(self._table) as cursor:
            rows = [(bytes(lease).decode(), _row_of(row)) for lease, row in cursor]
        with self._lock:
            deadlines = dict(self._deadlines)
        return [
            LeaseInfo(
                lease=lease,
                job=row.job,
                server_id=row.server_id,
                opened_at_ns=row.opened_at_ns,
                parent=row.parent,
                lapsed=row.lapsed or deadlines.get(lease, -1.0) < now,
            )
            for lease, row in rows
        ]

    def _renew_all(self) -> None:
        deadline = self._clock.monotonic_s() + self._ttl_s
        with self._environment.reading() as txn:
            live = self.live(txn)
            self._told_cache = {lease: set(self._duplicates(txn, self._told, lease)) for lease in live}
        self._deadlines = dict.fromkeys(live, deadline)

    def _duplicates(self, txn: Txn, table: Database, key: str) -> list[bytes]:
        with txn.cursor(table) as cursor:
            return [bytes(value) for value in cursor.iternext_dup()] if cursor.set_key(key.encode()) else []
