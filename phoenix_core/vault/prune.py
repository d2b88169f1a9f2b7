"""Prune: frees the space of chunks that no snapshot needs, beside running backups. Core only.

A plan is made and shown, then executed:

1. mark what live snapshots, and staged ones of live leases, need;
2. sort packs: unused ones go, mostly unused ones are rewritten (their needed chunks move into new packs), others stay;
3. condemn: from here on the chunks of those packs count as missing. The node leaves out what a live lease relies on,
   and refuses where a snapshot was committed since the mark, which is then marked too;
4. sweep: once every lease that was open at step 3 has ended, the node deletes what was condemned.

A second copy of a chunk goes only where a proved copy stays. Interrupted at any point nothing is lost: condemned packs
become usable again when the sweep is given up, and a restarted node voids it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import islice

import msgspec

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId, SnapshotId
from phoenix_core.vault.errors import VaultError
from phoenix_core.vault.location import Location
from phoenix_core.vault.maintenance_node import IsCancelled, MaintenanceNode, OpenTarget, never_cancelled
from phoenix_core.vault.mark import Inventory, MaintenanceCancelled, Marker, take_inventory
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.rewrite import rewrite_packs
from phoenix_core.vault.sharing import is_shared
from phoenix_core.vault.stopped import Stopped
from phoenix_core.vault.vaultkey import VaultKey

REWRITE_UNUSED_PERCENT = 40
"""A pack is rewritten when at least this part of its chunks is unused."""
ASK_CHUNKS = 4096
CONDEMN_TRIES = 20


class PruneProgress(msgspec.Struct, frozen=True):
    phase: str
    """`mark`, `plan`, `rewrite`, `wait`, `sweep`."""
    done: int = 0
    total: int = 0
    waiting_for: tuple[str, ...] = ()
    """Jobs whose leases the sweep waits for."""


class PrunePlan(msgspec.Struct, frozen=True):
    """What a prune would do. Sizes are bytes of packs in the store."""

    packs: int
    bytes: int
    unused: tuple[PackId, ...]
    unused_bytes: int
    rewrite: tuple[PackId, ...]
    rewrite_bytes: int
    rewrite_used_bytes: int
    """Plain bytes of the chunks that a rewrite keeps."""
    rewrite_unused_bytes: int
    """Of `rewrite_bytes` about what a rewrite frees: by the number of chunks, as the index doesn't keep their size in
    the store."""
    kept_packs: int
    kept_bytes: int
    abandoned: tuple[SnapshotId, ...]
    """Snapshot objects that no record and no live lease stands for."""
    snapshots: int
    last_record: int
    held_by_leases: int = 0
    """Jobs whose leases live now; what they rely on is kept."""
    waiting_snapshots: int = 0
    """Those whose removal can still be undone: what they need is kept."""
    waiting_bytes: int = 0
    """About what of that they alone need."""
    stopped_packs: int = 0
    """That stopped backups seem to have sent, in `unused` and `rewrite`, or kept beside them where they are spared."""
    stopped_bytes: int = 0

    @property
    def freed_percent(self) -> float:
        """About how much of what is stored the plan frees."""
        return 100.0 * (self.unused_bytes + self.rewrite_unused_bytes) / max(self.bytes, 1)


class PruneResult(msgspec.Struct, frozen=True):
    deleted_packs: int
    deleted_bytes: int
    rewritten_packs: int
    done: bool
    """False: jobs with older leases went on longer than the wait; nothing was deleted, all is as before."""
    waiting_for: tuple[str, ...] = ()


Report = Callable[[PruneProgress], None]


def _silent(progress: PruneProgress) -> None:
    del progress


class _Usage(msgspec.Struct):
    chunks: int = 0
    bytes: int = 0


def make_plan(
    node: MaintenanceNode,
    key: VaultKey,
    *,
    rewrite_unused_percent: int = REWRITE_UNUSED_PERCENT,
    stopped: Stopped | None = None,
    marker: Marker | None = None,
    progress: Report = _silent,
    cancelled: IsCancelled = never_cancelled,
) -> PrunePlan:
    """Reads all trees; changes nothing. `marker` remembers them, for `execute`. `stopped`: how to tell what stopped
    backups sent, and whether it stays. Raises `MarkFailed`, `RecordDamaged`, `MaintenanceCancelled`."""
    marker = marker or Marker(node, key, cancelled)
    waiting: set[ChunkId] = set()
    inventory, abandoned = _mark_all(node, key, marker, progress, waiting)
    progress(PruneProgress("plan"))
    packs = {PackId(info.pack_id): info for info in node.packs()}
    used = _usage(node, marker.chunks, packs)
    by_stopped = stopped.packs(packs.values(), inventory) if stopped else frozenset()
    spared = by_stopped if stopped and stopped.spared else frozenset()
    unused: list[PackInfo] = []
    rewrite: list[PackInfo] = []
    kept: list[PackInfo] = []
    of_stopped: list[PackInfo] = []
    for pack_id, info in packs.items():
        usage = used.get(pack_id)
        kind = kept
        if usage is None and not _is_unreadable(info):
            kind = unused
        elif usage is not None and info.state is PackState.USABLE:
            kind = rewrite if _unused_percent(info, usage) >= rewrite_unused_percent else kept
        if kind is not kept and pack_id in by_stopped:
            of_stopped.append(info)
        (kept if pack_id in spared else kind).append(info)
    return PrunePlan(
        packs=len(packs),
        bytes=_total(packs.values()),
        unused=tuple(PackId(info.pack_id) for info in unused),
        unused_bytes=_total(unused),
        rewrite=tuple(PackId(info.pack_id) for info in rewrite),
        rewrite_bytes=_total(rewrite),
        rewrite_used_bytes=sum(used[PackId(info.pack_id)].bytes for info in rewrite),
        rewrite_unused_bytes=round(
            sum(info.bytes * _unused_percent(info, used[PackId(info.pack_id)]) / 100 for info in rewrite)
        ),
        kept_packs=len(kept),
        kept_bytes=_total(kept),
        abandoned=abandoned,
        snapshots=len(marker.marked),
        last_record=inventory.last_record,
        held_by_leases=sum(not lease.lapsed for lease in node.leases()),
        waiting_snapshots=len(inventory.aside & inventory.live.keys()),
        waiting_bytes=_bytes_of(_usage(node, waiting, packs), packs),
        stopped_packs=len(of_stopped),
        stopped_bytes=_total(of_stopped),
    )


def execute(
    node: MaintenanceNode,
    key: VaultKey,
    plan: PrunePlan,
    *,
    open_target: OpenTarget,
    wait_s: float = 3600.0,
    poll_s: float = 0.2,
    sleep: Callable[[float], None] = time.sleep,
    monotonic_s: Callable[[], float] = time.monotonic,
    marker: Marker | None = None,
    progress: Report = _silent,
    cancelled: IsCancelled = never_cancelled,
) -> PruneResult:
    """Carry a plan out; what changed since it was made is taken into account. Waits up to `wait_s` for jobs that were
    running when the packs were condemned. `marker`: the one that the plan was made with, so that only new snapshots
    are read. Raises as `make_plan`; whatever happens, no needed chunk is lost."""
    marker = marker or Marker(node, key, cancelled)
    _, abandoned = _mark_all(node, key, marker, progress)
    for name in abandoned:
        node.delete_snapshot(name)
    packs = {PackId(info.pack_id): info for info in node.packs()}
    moved = rewrite_packs(
        node,
        key,
        [packs[pack] for pack in plan.rewrite if pack in packs],
        marker.chunks,
        open_target,
        progress=lambda done, total: progress(PruneProgress("rewrite", done, total)),
        cancelled=cancelled,
    )
    node.void_sweeps()  # of a prune that ended midway
    sweep = _condemn(node, key, marker, [*plan.unused, *moved])
    end = monotonic_s() + wait_s
    try:
        while not (swept := node.sweep(sweep)).done:
            if monotonic_s() >= end:
                break
            if cancelled():
                raise MaintenanceCancelled(what="The prune")
            progress(PruneProgress("wait", waiting_for=swept.waiting_for))
            sleep(poll_s)
    except BaseException:
        node.void_sweeps()
        raise
    if not swept.done:
        node.void_sweeps()
        return PruneResult(0, 0, len(moved), done=False, waiting_for=swept.waiting_for)
    return PruneResult(swept.packs, swept.bytes, len(moved), done=True)


def _condemn(node: MaintenanceNode, key: VaultKey, marker: Marker, candidates: list[PackId]) -> int:
    """Phase one, for those candidates that no snapshot needs. Where a backup commits at the same moment the node
    refuses, and the new snapshot is marked before the next try."""
    for attempt in range(1, CONDEMN_TRIES + 1):
        inventory = take_inventory(node, key)
        marker.mark(inventory.live)
        packs = {PackId(info.pack_id): info for info in node.packs()}
        used = _usage(node, marker.chunks, packs, frozenset(candidates)) if candidates else {}
        doomed = [pack for pack in candidates if pack in packs and pack not in used]
        try:
            return node.condemn(doomed, inventory.last_record)
        except PhoenixError as error:
            if error.code != "plan_outdated" or attempt == CONDEMN_TRIES:
                raise
    raise AssertionError("the loop returns or raises")


def _mark_all(
    node: MaintenanceNode, key: VaultKey, marker: Marker, progress: Report, waiting: set[ChunkId] | None = None
) -> tuple[Inventory, tuple[SnapshotId, ...]]:
    """Mark live snapshots and staged ones of live jobs; tells also which objects nothing stands for. `waiting` gets the
    chunks that only snapshots need whose removal can still be undone.

    The order of reading matters: an object that is listed was staged under a lease that is listed after it, or its job
    has ended since, and then its record is there."""
    stored = frozenset(node.snapshots())
    leases = [lease for lease in node.leases() if not lease.lapsed]
    jobs = {lease.job for lease in leases}
    parents = {SnapshotId(lease.parent) for lease in leases if lease.parent}
    inventory = take_inventory(node, key, stored)
    in_order = sorted(inventory.live, key=lambda name: name in inventory.aside)
    for number, name in enumerate(in_order):
        progress(PruneProgress("mark", number, len(inventory.live)))
        if name not in inventory.aside:
            marker.mark((name,))
    abandoned = []
    for name in sorted(inventory.leftover):
        try:
            needed = name in parents or _job_of(marker, name) in jobs
            if needed:
                marker.mark((name,))
        except PhoenixError:
            if name in node.snapshots():
                raise
            continue  # the lease that kept it has ended, and it was deleted meanwhile
        if not needed:
            abandoned.append(name)
    only_theirs = marker.mark_waiting(name for name in in_order if name in inventory.aside)
    if waiting is not None:
        waiting |= only_theirs
    return inventory, tuple(abandoned)


def _job_of(marker: Marker, name: SnapshotId) -> str:
    """The job that staged a snapshot. Empty where it can't be opened: the core opens what it commits, so nothing will
    ever need it."""
    try:
        return marker.snapshot(name).job_id
    except VaultError as error:
        if error.retryable:
            raise
        return ""


def _usage(
    node: MaintenanceNode,
    chunks: Iterable[ChunkId],
    packs: dict[PackId, PackInfo],
    leaving: AbstractSet[PackId] = frozenset(),
) -> dict[PackId, _Usage]:
    """What of each pack is needed. A copy beside a proved one is not; of several proved ones that counts which is not
    in a pack of those that are `leaving`, then the one in the pack of which more is needed, then in the smaller one.

    A lost pack is needed where nothing else holds the chunk but damaged ones: it may be put back. Of a chunk that
    servers don't share, each server that has a copy keeps one."""
    usage: dict[PackId, _Usage] = defaultdict(_Usage)
    doubled: list[list[Location]] = []
    for batch in _batches(chunks):
        for copies in node.locate_all(batch, lost=True):
            if len(copies) == 1:
                if PackId(copies[0].pack_id) in packs:
                    _count(usage, copies[0])
                continue
            for known in _by_who_relies_on_it([copy for copy in copies if PackId(copy.pack_id) in packs], packs):
                good = [copy for copy in known if packs[PackId(copy.pack_id)].state is not PackState.LOST]
                if all(packs[PackId(copy.pack_id)].state is PackState.DAMAGED for copy in good):
                    good = known
                if len(good) == 1:
                    _count(usage, good[0])
                elif good:
                    doubled.append(good)

    def preference(copy: Location) -> tuple[bool, int, int, bytes]:
        pack_id = PackId(copy.pack_id)
        return pack_id not in leaving, _count_of(usage, copy), -packs[pack_id].chunks, copy.pack_id

    for copies in doubled:
        proved = [copy for copy in copies if _is_proved(packs[PackId(copy.pack_id)])]
        if proved:
            _count(usage, max(proved, key=preference))
        else:
            for copy in copies:
                _count(usage, copy)
    return dict(usage)


def _by_who_relies_on_it(copies: list[Location], packs: dict[PackId, PackInfo]) -> Iterable[list[Location]]:
    """The copies of one chunk: together where servers share it, else those of each server by themselves."""
    if len(copies) < 2 or all(is_shared(packs[PackId(copy.pack_id)].kind, copy.length) for copy in copies):
        return (copies,)
    of_servers: dict[str, list[Location]] = defaultdict(list)
    for copy in copies:
        of_servers[packs[PackId(copy.pack_id)].server_id].append(copy)
    return of_servers.values()


def _is_unreadable(info: PackInfo) -> bool:
    """A damaged pack whose tail could not be read either: what is in it isn't known, so it isn't known to be unused."""
    return info.state is PackState.DAMAGED and not info.chunks


def _is_proved(info: PackInfo) -> bool:
    return info.proved and info.state is PackState.USABLE


def _count(usage: dict[PackId, _Usage], copy: Location) -> None:
    entry = usage[PackId(copy.pack_id)]
    entry.chunks += 1
    entry.bytes += copy.length


def _count_of(usage: dict[PackId, _Usage], copy: Location) -> int:
    known = usage.get(PackId(copy.pack_id))
    return known.bytes if known else 0


def _unused_percent(info: PackInfo, usage: _Usage) -> float:
    """Of the pack's chunks, by number: the index does not keep their plain bytes."""
    return 100.0 * (1 - usage.chunks / max(info.chunks, 1))


def _bytes_of(usage: dict[PackId, _Usage], packs: dict[PackId, PackInfo]) -> int:
    """About the stored bytes of the chunks counted: each pack's share, by the number of its chunks."""
    return sum(packs[pack].bytes * used.chunks // max(packs[pack].chunks, 1) for pack, used in usage.items())


def _batches(chunks: Iterable[ChunkId]) -> Iterator[list[ChunkId]]:
    remaining = iter(chunks)
    while batch := list(islice(remaining, ASK_CHUNKS)):
        yield batch


def _total(packs: Iterable[PackInfo]) -> int:
    return sum(info.bytes for info in packs)
