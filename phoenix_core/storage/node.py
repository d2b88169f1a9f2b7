"""The storage node: the one process in front of a vault. Implements `CoreNode`; `job_node` gives jobs their side."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, LeaseId, PackId, SnapshotId
from phoenix_core.storage.errors import StorageBusy, VaultGone
from phoenix_core.storage.identity import check_vault
from phoenix_core.storage.jobs import LAST, InProcessJobNode, JobDesk, rank_of
from phoenix_core.storage.leases import LEASE_TTL_S
from phoenix_core.storage.merged import IDLE_PACKS
from phoenix_core.storage.node_api import LeaseInfo, NodeStatus, RebuildResult, SweepResult
from phoenix_core.storage.nodelock import NodeLock
from phoenix_core.storage.nodestate import NodeState
from phoenix_core.storage.objectstore import ObjectStore, OpenObject
from phoenix_core.storage.opening import IndexOpening
from phoenix_core.storage.owner import Ownership
from phoenix_core.storage.parts import Parts
from phoenix_core.storage.rebuild import Rebuild, read_stored, stored_packs
from phoenix_core.storage.upkeep import Caretaker
from phoenix_core.vault.index_errors import IndexDamaged, IndexMissing
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.layout import DESCRIPTOR, pack_name
from phoenix_core.vault.location import Location
from phoenix_core.vault.packcontents import PackContents, Upkeep
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.packreader import read_head_bytes
from phoenix_core.vault.packtotals import Totals


class VaultFacts(Protocol):
    """What a node must know of its vault; `VaultDescriptor` and `NodeConfig` have it."""

    @property
    def vault_id(self) -> str: ...
    @property
    def token_public_key(self) -> bytes: ...


class StorageNode:
    def __init__(
        self,
        store: ObjectStore,
        index_dir: Path,
        vault: VaultFacts,
        index_keys: Mapping[tuple[str, int], bytes],
        clock: Clock | None = None,
        *,
        take_over: bool = False,
        lease_ttl_s: float = LEASE_TTL_S,
        keep_index_key: Callable[[str, int, bytes], None] | None = None,
    ) -> None:
        """Take the vault in charge. A missing or damaged index is no error here: `status` tells, and every call that
        needs it raises IndexMissing or IndexDamaged until `rebuild_index`. `keep_index_key` gets domain, epoch and key
        that `add_index_key` brings, to have them at the next start.

        Raises NodeRunning, VaultOwnedElsewhere, VaultMismatch, IndexOnNetworkFileSystem.
        """
        self._clock = clock or SystemClock()
        self._ttl_s = lease_ttl_s
        self._index_keys = dict(index_keys)
        self._keep_index_key = keep_index_key
        self._lock = NodeLock(index_dir)
        try:
            check_vault(store, vault.vault_id)
            owner = Ownership(store, self._clock, take_over=take_over)
            store.sweep_leftovers()
            if not self._lock.orderly:
                store.settle()
            self._state = NodeState(store, vault.vault_id, index_dir, owner)
            self.desk = JobDesk(self._state, vault.token_public_key, self._index_keys, self._clock)
            """The job side, for the services in front of the node."""
            self._caretaker = Caretaker(self._state, self._index_keys)
            self._rebuilding = threading.Lock()
            self._opening = IndexOpening(self._state, self._index_keys, self._lock, self._clock, self._ttl_s)
            self._opening.open()
        except BaseException:
            store.close()
            self._lock.release()
            raise

    def job_node(self, token: str) -> InProcessJobNode:
        """`JobNode` for a job in this process."""
        return InProcessJobNode(self.desk, token)

    def add_index_key(self, domain: str, epoch: int, key: bytes) -> None:
        """Let the node read packs of a domain or epoch that is new."""
        if self._keep_index_key is not None:
            self._keep_index_key(domain, epoch, key)
        self._index_keys[domain, epoch] = key

    def close(self) -> None:
        """Write what waits to be merged, release the vault. Jobs that still run get errors that they may retry."""
        try:
            with self._state.using() as parts:
                parts.merged.write_due(at_least=IDLE_PACKS)
        except PhoenixError:
            pass  # the heads and tails wait in the index, or in the packs
        with self._state.gate.alone():
            if self._state.parts is not None:
                self._state.parts.close()
                self._state.parts = None
                self._state.problem = StorageBusy(detail="it is stopping")
        try:
            self._state.owner.release()
        except PhoenixError:
            pass  # on a full or broken disk the next node sees by the lock, or by the process, that this one is gone
        finally:
            self._state.store.close()
            self._lock.release()

    # --- leases and grants ---

    def open_lease(self, lease: LeaseId, job: str, server_id: str, parent: SnapshotId | None) -> None:
        with self._state.using() as parts, self._state.deciding:
            if parent:
                self._state.shelf.check_parent(parts, parent)
            parts.leases.open(lease, job, server_id, parent)

    def close_lease(self, lease: LeaseId) -> None:
        with self._state.using() as parts:
            parts.leases.close(lease)
            self.desk.promises.forget(lease)
            with self._state.deciding:
                self._state.shelf.delete_doomed(parts)
            parts.merged.write_due(at_least=IDLE_PACKS)

    def leases(self) -> list[LeaseInfo]:
        with self._state.using() as parts:
            return parts.leases.all()

    def grant(self, job: str, pack_ids: Sequence[PackId]) -> None:
        with self._state.using() as parts:
            parts.leases.grant(job, pack_ids)

    # --- reading ---

    def locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        with self._state.using() as parts:
            return parts.index.locate(ids, rank_of)

    def locate_all(self, ids: Sequence[ChunkId], *, lost: bool = False) -> list[list[Location]]:
        with self._state.using() as parts:
            return parts.index.locate_all(ids, _rank_with_lost if lost else rank_of)

    def open_pack(self, pack_id: PackId) -> OpenObject:
        with self._state.using() as parts:
            info = self._state.known(parts, pack_id)
            return self._state.store.open_read(pack_name(PackKind(info.kind), pack_id))

    def pack_heads(self, pack_ids: Sequence[PackId]) -> list[bytes]:
        return [self._head_of(pack_id) for pack_id in pack_ids]

    def _head_of(self, pack_id: PackId) -> bytes:
        try:
            with self.open_pack(pack_id) as pack:
                return read_head_bytes(pack)
        except (PhoenixError, OSError):
            return b""

    def pack_info(self, pack_id: PackId) -> PackInfo | None:
        with self._state.using() as parts:
            return parts.index.pack(pack_id)

    def packs(self) -> Iterable[PackInfo]:
        after = b""
        while page := self.packs_page(after):
            after = page[-1][0]
            yield from (info for _, info in page)

    def packs_page(self, after: bytes = b"") -> list[tuple[bytes, PackInfo]]:
        """The next packs after a position, each with its own; for clients that page."""
        with self._state.using() as parts:
            return parts.index.packs_page(after)

    def stored_packs(self) -> Iterable[tuple[PackId, int]]:
        """Those on their way in are left out."""
        return (
            (pack_id, stored.length)
            for pack_id, stored in stored_packs(self._state.store)
            if not (pack_id in self.desk.arrivals and self.pack_info(pack_id) is None)
        )

    def status(self) -> NodeStatus:
        totals, chunks, reads, problem = Totals(), 0, None, None
        try:
            with self._state.using() as parts:
                totals, chunks = parts.index.totals(), parts.index.copies()
                reads = parts.index.read_times()
        except (IndexMissing, IndexDamaged, VaultGone) as error:
            problem = error.view()
        space = self._state.store.space()
        return NodeStatus(
            vault_id=self._state.vault_id,
            packs=totals.packs,
            chunks=chunks,
            stored_bytes=totals.bytes,
            unproved_packs=totals.unproved,
            condemned_packs=totals.condemned,
            damaged_packs=totals.damaged,
            snapshots=len(self._state.shelf.names()),
            records=self._state.shelf.count_records(),
            free_bytes=space.free_bytes,
            total_bytes=space.total_bytes,
            index_complete=problem is None,
            problem=problem,
            reads=reads,
        )

    # --- what the core found out about packs ---

    def mark_proved(self, pack_id: PackId) -> None:
        with self._state.using() as parts:
            self._state.known(parts, pack_id)
            parts.change(pack_id, proved=True, read_at_ns=parts.now_ns())

    def mark_damaged(self, pack_id: PackId, state: PackState) -> None:
        with self._state.using() as parts, self._state.deciding:
            info = self._state.known(parts, pack_id)
            spared = state is PackState.USABLE and info.state is PackState.CONDEMNED
            read_at_ns = info.read_at_ns if spared else 0
            parts.change(pack_id, state=state, proved=info.proved and spared, read_at_ns=read_at_ns)

    def contents_of(self, pack_ids: Sequence[PackId]) -> list[PackContents | None]:
        with self._state.using() as parts:
            return self._caretaker.contents_of(parts, pack_ids)

    def look_after(self, *, mend: bool = False) -> Upkeep:
        with self._state.using() as parts:
            if mend:
                self._caretaker.mend(parts)
            return self._caretaker.look(parts)

    # --- snapshots and records ---

    def snapshots(self) -> list[SnapshotId]:
        return self._state.shelf.names()

    def read_snapshot(self, snapshot_id: SnapshotId) -> bytes:
        return self._state.shelf.read(snapshot_id)

    def delete_snapshot(self, snapshot_id: SnapshotId) -> None:
        with self._state.using() as parts, self._state.deciding:
            self._state.owner.check()
            self._state.shelf.delete(parts, snapshot_id)

    def append_record(self, sequence: int, record: bytes, lease: LeaseId | None = None) -> None:
        with self._state.using() as parts, self._state.deciding:
            self._state.owner.check()
            if lease is not None:
                parts.leases.renew(lease)
            self._state.shelf.append_record(sequence, record)

    def records(self, after: int = 0) -> list[tuple[int, bytes]]:
        return self._state.shelf.records(after)

    # --- prune ---

    def condemn(self, pack_ids: Sequence[PackId], seen_record: int | None = None) -> int:
        with self._state.using() as parts, self._state.deciding:
            self._state.owner.check()
            if seen_record is not None:
                self._state.shelf.check_plan(seen_record)
            return parts.sweeps.condemn(pack_ids)

    def sweep(self, sweep: int) -> SweepResult:
        with self._state.using() as parts, self._state.deciding:
            self._state.owner.check()
            waiting = parts.sweeps.waiting_for(sweep)
            if waiting:
                return SweepResult(done=False, waiting_for=waiting)
            swept_bytes = 0
            packs = parts.sweeps.condemned(sweep)
            for pack_id in packs:
                swept_bytes += self._delete_pack(parts, pack_id)
            parts.sweeps.finish(sweep)
            if packs:
                parts.merged.compact(lambda pack_id: parts.index.pack(PackId(pack_id)) is not None)
            return SweepResult(done=True, packs=len(packs), bytes=swept_bytes)

    def void_sweeps(self) -> None:
        with self._state.using() as parts, self._state.deciding:
            self._void_sweeps(parts)

    def _void_sweeps(self, parts: Parts) -> None:
        """What a sweep had deleted already is taken out first: no pack that is gone may count as present again."""
        for pack_id in parts.sweeps.all_condemned():
            kind = PackKind(self._state.known(parts, pack_id).kind)
            if self._state.store.head(pack_name(kind, pack_id)) is None:
                parts.forget(pack_id)
        parts.sweeps.void_all()

    def _delete_pack(self, parts: Parts, pack_id: PackId) -> int:
        """The object first: should this end in between, the pack stays condemned, which counts as missing, until the
        sweep is voided; that takes it out."""
        info = self._state.known(parts, pack_id)
        kind = PackKind(info.kind)
        pack = read_stored(self._state.store, pack_id, kind, self._state.vault_id, self._index_keys)
        self._state.store.delete(pack_name(kind, pack_id))
        parts.forget(pack_id, pack.tail if pack else None)
        return info.bytes

    # --- the index ---

    def rebuild_index(self) -> RebuildResult:
        """Jobs go on meanwhile, with the old index as long as there is one; only the change-over holds them up.

        Raises StorageBusy, and VaultGone where nothing of the vault is there."""
        started = time.monotonic()
        if isinstance(self._state.problem, VaultGone) and self._state.store.head(DESCRIPTOR) is None:
            raise self._state.problem  # an index of nothing would take the place of a good one
        if not self._rebuilding.acquire(blocking=False):
            raise StorageBusy(detail="its index is being rebuilt")
        try:
            state = self._state
            rebuild = Rebuild(state.store, state.index_dir, state.vault_id, self._index_keys, self._clock)
            try:
                rebuild.fill()
                with state.deciding, state.gate.alone():
                    self._change_over(rebuild)
            except BaseException:
                rebuild.discard()
                raise
        finally:
            self._rebuilding.release()
        with self._state.using() as parts:
            parts.merged.write_due(at_least=1)
            return RebuildResult(
                packs=parts.index.totals().packs,
                chunks=parts.index.copies(),
                unreadable=tuple(sorted(pack_id.hex() for pack_id in rebuild.unreadable)),
                seconds=time.monotonic() - started,
                lost=tuple(sorted(pack_id.hex() for pack_id in rebuild.lost)),
            )

    def _change_over(self, rebuild: Rebuild) -> None:
        """The old index stays in use until the new one is open: a disk that is full by then must not leave none."""
        state = self._state
        rebuild.fill()
        if state.parts is not None:
            try:
                self._void_sweeps(state.parts)
                rebuild.carry_over(state.parts)
            except IndexDamaged:
                pass  # what an unreadable index knew beyond the vault is lost: running jobs' leases lapse
        rebuild.note_unreadable()
        rebuild.complete()
        opened = rebuild.take_place(lambda: self._opening.parts(create=False))
        old, state.parts, state.problem = state.parts, opened, None
        if old is not None:
            old.close()
        rebuild.drop_replaced()


def _rank_with_lost(info: PackInfo) -> int:
    return LAST if info.state is PackState.LOST else rank_of(info)
