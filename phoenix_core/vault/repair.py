"""Repair: saves what can be saved of a damaged vault, and says what only another backup heals. Core only.

A plan is made and shown, then executed:

1. a verify: all packs are looked at as deep as asked, those that were found damaged before to their last chunk; packs
   that are sound again are usable again; the walk over the trees names the snapshots and files that are hit;
2. damaged packs are read block by block: what of them has no sound copy elsewhere is to be rescued;
3. executed, what was found in step 2 goes into new packs, and damaged index objects are written anew from the packs;
4. a second walk over the trees names what is still hit: chunks that are gone count as missing, so that the next backup
   of the same data stores them again, which heals the older snapshots too.

The plan marks what it finds, as a verify does, and writes nothing else. Nothing is deleted or overwritten but damaged
index objects, and those after their content is elsewhere: so it never makes anything worse, whenever it ends. Damaged
and lost packs stay until prune finds that nothing needs them. Records and snapshots are never made up.
"""

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from phoenix_core.domain.ids import PackId, SnapshotId
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.vault.chunkwriter import PACK_CLOSE_BYTES
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.maintenance_node import IsCancelled, MaintenanceNode, OpenTarget, never_cancelled
from phoenix_core.vault.packcontents import Upkeep
from phoenix_core.vault.packinfo import PackState
from phoenix_core.vault.rescue import Rescue, Rescued, carry_out, plan_rescues
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.verify import VerifyProgress, VerifyReport, verify_vault


class RepairProgress(msgspec.Struct, frozen=True):
    phase: str
    """`look`, `read`, `rescue`, `index`, `trees`."""
    done: int = 0
    total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0


class RepairPlan(msgspec.Struct, frozen=True):
    """What a repair would do, and what is damaged now."""

    found: VerifyReport
    rescues: tuple[Rescue, ...]
    upkeep: Upkeep

    @property
    def lost_packs(self) -> int:
        return sum(fault.state is PackState.LOST for fault in self.found.faults)

    @property
    def damaged_packs(self) -> int:
        return len(self.found.faults) - self.lost_packs

    @property
    def rescue_chunks(self) -> int:
        return len({chunk for rescue in self.rescues for chunk in rescue.chunks})

    @property
    def damaged_index_objects(self) -> int:
        return len(self.upkeep.damaged_index)

    @property
    def needs_rebuild(self) -> bool:
        """Packs are there that the index doesn't know."""
        return any(not fault.is_known for fault in self.found.faults)


class RepairResult(msgspec.Struct, frozen=True):
    rescued: Rescued
    mended_index_objects: int
    left: VerifyReport
    """What is still damaged."""


Report = Callable[[RepairProgress], None]


def _silent(progress: RepairProgress) -> None:
    del progress


def make_plan(
    node: MaintenanceNode,
    key: VaultKey,
    depth: VerifyDepth = VerifyDepth.STRUCTURE,
    *,
    last_record: int = 0,
    expected: Collection[SnapshotId] = (),
    descriptor: VaultDescriptor | None = None,
    progress: Report = _silent,
    cancelled: IsCancelled = never_cancelled,
) -> RepairPlan:
    """Parameters and errors as of `verify_vault`."""
    known: dict[str, Any] = {"last_record": last_record, "expected": expected, "descriptor": descriptor}
    found = verify_vault(node, key, depth, (), _as_phase("look", progress), cancelled, **known)
    rescues = plan_rescues(
        node,
        key,
        [PackId(fault.pack_id) for fault in found.faults if fault.state is not PackState.LOST],
        {fault.pack_id for fault in found.faults},
        progress=lambda done, total: progress(RepairProgress("read", done, total)),
        cancelled=cancelled,
    )
    return RepairPlan(found, tuple(rescues), node.look_after())


def execute(
    node: MaintenanceNode,
    key: VaultKey,
    plan: RepairPlan,
    *,
    open_target: OpenTarget,
    pack_bytes: int = PACK_CLOSE_BYTES,
    last_record: int = 0,
    expected: Collection[SnapshotId] = (),
    descriptor: VaultDescriptor | None = None,
    progress: Report = _silent,
    cancelled: IsCancelled = never_cancelled,
) -> RepairResult:
    """Carry a plan out; what was healed since it was made is left alone. May end at any point, and be done again."""
    rescued = carry_out(
        node,
        key,
        plan.rescues,
        {fault.pack_id for fault in plan.found.faults},
        open_target,
        pack_bytes=pack_bytes,
        progress=lambda done, total: progress(RepairProgress("rescue", done, total)),
        cancelled=cancelled,
    )
    progress(RepairProgress("index"))
    mended = 0
    if plan.upkeep.damaged_index or plan.upkeep.uncovered_packs:
        mended = plan.damaged_index_objects - len(node.look_after(mend=True).damaged_index)
    known: dict[str, Any] = {"last_record": last_record, "expected": expected, "descriptor": descriptor}
    left = verify_vault(node, key, VerifyDepth.STRUCTURE, (), _as_phase("trees", progress), cancelled, **known)
    return RepairResult(rescued, mended, left)


def _as_phase(phase: str, progress: Report) -> Callable[[VerifyProgress], None]:
    def tell(verified: VerifyProgress) -> None:
        progress(RepairProgress(phase, verified.done, verified.total, verified.bytes_done, verified.bytes_total))

    return tell
