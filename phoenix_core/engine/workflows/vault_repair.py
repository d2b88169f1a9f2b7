"""Repair: says what of a damaged vault can be saved, and where asked to, saves it; names what only a backup heals."""

import asyncio
from collections.abc import Callable

import msgspec

from phoenix_core.agentlink.reports import Progress
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import DamageRow, JobRow, Result
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.amounts import amount, size
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.claims import PRUNING, VAULT, VERIFICATION, Claim
from phoenix_core.engine.commit import last_record_seen
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.pack_targets import pack_targets
from phoenix_core.engine.requests import RepairJob
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow
from phoenix_core.engine.workflows.damage_hits import damage_rows, servers_hit
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.repair import RepairPlan, RepairProgress, RepairResult, execute, make_plan
from phoenix_core.vault.verify import VerifyReport

NOTED = 100


class RepairVault(Workflow):
    kind = JobKind.REPAIR
    resumable = False
    plan = (
        ("look", "Look at the packs, and what snapshots need"),
        ("read", "Read what is left of damaged packs"),
        ("rescue", "Store it anew"),
        ("index", "Write index objects anew"),
        ("trees", "Look again at what is damaged"),
    )

    def __init__(
        self,
        seat: VaultSeat,
        jobs: Jobs,
        snapshots: Snapshots,
        facts: Facts,
        lost: LostSnapshots,
        known_descriptor: Callable[[str], VaultDescriptor | None],
        open_job_node: Callable[[str], JobNode],
        clock: Clock,
    ) -> None:
        self._seat = seat
        self._jobs = jobs
        self._snapshots = snapshots
        self._known_descriptor = known_descriptor
        self._facts = facts
        self._lost = lost
        self._open_job_node = open_job_node
        self._clock = clock

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT), Claim(VERIFICATION, exclusive=True), Claim(PRUNING, exclusive=True))

    async def run(self, run: JobRun) -> Finish:
        request = msgspec.json.decode(run.job.request, type=RepairJob)
        vault = self._seat.get()
        last_record = await last_record_seen(self._facts, vault)
        descriptor = await asyncio.to_thread(self._known_descriptor, vault.vault_id)
        expected = [SnapshotId(each) for each in await self._snapshots.readable_by_id()]
        tell, stop = self._teller(run), run.stop.is_set
        plan = await run.in_thread(
            lambda: make_plan(
                vault.node,
                vault.key,
                request.depth,
                last_record=last_record,
                expected=expected,
                descriptor=descriptor,
                progress=tell,
                cancelled=stop,
            )
        )
        numbers = _planned(plan)
        await run.update(result=numbers)
        await self._say_plan(run, plan)
        left = plan.found
        if request.execute:
            targets = pack_targets(vault, run.job.id, self._open_job_node, self._clock)
            done = await run.in_thread(
                lambda: execute(
                    vault.node,
                    vault.key,
                    plan,
                    open_target=targets,
                    last_record=last_record,
                    expected=expected,
                    descriptor=descriptor,
                    progress=tell,
                    cancelled=stop,
                )
            )
            numbers |= _done(done)
            left = done.left
        rows = await damage_rows(run.job.id, left.damages, self._snapshots)
        await self._jobs.set_damages(run.job.id, rows)
        await self._say_what_is_left(run, plan, left)
        numbers |= _left(left, rows)
        return Finish(
            state=JobState.SUCCESSFUL_WITH_ERRORS if left.damages else JobState.SUCCESSFUL,
            result=numbers,
        )

    async def _say_plan(self, run: JobRun, plan: RepairPlan) -> None:
        found = plan.found
        await run.note(
            f"Looked at {amount(found.packs, 'pack')}, depth {found.depth}, and read {size(found.bytes_read)} of them: "
            f"{plan.damaged_packs} damaged, {plan.lost_packs} gone, {len(found.returned)} sound again."
        )
        for fault in found.faults[:NOTED]:
            await run.note(fault.text)
        if plan.rescues:
            total = sum(rescue.bytes for rescue in plan.rescues)
            await run.note(
                f"{amount(plan.rescue_chunks, 'chunk')}, {size(total)}, can be saved from "
                f"{amount(len({rescue.pack_id for rescue in plan.rescues}), 'damaged pack')}."
            )
        if plan.needs_rebuild:
            await run.note("The index doesn't know some packs: run `phoenix vault rebuild-index`.", "warning")

    async def _say_what_is_left(self, run: JobRun, plan: RepairPlan, left: VerifyReport) -> None:
        for damage in left.damages[:NOTED]:
            await run.note(damage.what, "error")
        hit = {each for damage in (*plan.found.damages, *left.damages) for each in damage.snapshots}
        await self._lost.check(hit)
        if any(damage.of_records for damage in left.damages):
            await run.note(
                "Records can't be made up, and no backup heals them: `phoenix doctor` says which to put back, and what "
                "else to do.",
                "warning",
            )
        healing = {each for damage in left.damages if not damage.of_records for each in damage.snapshots}
        for server in await servers_hit(self._snapshots, healing):
            await run.note(
                f"Back {server.name} up again, with `{server.backup}`: what it still has of the missing data heals its "
                "older snapshots too.",
                "warning",
            )
            for snapshot in server.unreadable:
                await run.note(
                    f"Snapshot {snapshot[:12]} of {server.name} can't be opened, and no repair makes it up: put its "
                    "object back from a copy of the vault, or give it up: "
                    f"`phoenix snapshot remove {snapshot[:12]} --at-once`.",
                    "warning",
                )
        for text in left.unneeded[:NOTED]:
            await run.note(f"{text} No snapshot needs that: `phoenix vault prune --execute` deletes it.")

    def _teller(self, run: JobRun) -> Callable[[RepairProgress], None]:
        began = self._clock.monotonic_s()

        def tell(progress: RepairProgress) -> None:
            run.enter_from_thread(progress.phase)
            run.progress_from_thread(
                Progress(
                    job=run.job.id,
                    phase=progress.phase,
                    files_done=progress.done,
                    files_total=progress.total,
                    bytes_done=progress.bytes_done,
                    bytes_total=progress.bytes_total,
                    elapsed_s=self._clock.monotonic_s() - began,
                )
            )

        return tell


def _planned(plan: RepairPlan) -> Result:
    """Named as in `domain.views.RepairView`."""
    return {
        "depth": str(plan.found.depth),
        "packs": plan.found.packs,
        "bytes_read": plan.found.bytes_read,
        "damaged_packs": plan.damaged_packs,
        "lost_packs": plan.lost_packs,
        "returned_packs": len(plan.found.returned),
        "rescue_chunks": plan.rescue_chunks,
        "rescue_bytes": sum(rescue.bytes for rescue in plan.rescues),
        "damaged_index_objects": plan.damaged_index_objects,
        "rebuild_index": plan.needs_rebuild,
    }


def _done(done: RepairResult) -> Result:
    return {
        "written_packs": done.rescued.packs,
        "rescued_chunks": done.rescued.chunks,
        "rescued_bytes": done.rescued.bytes,
        "mended_index_objects": done.mended_index_objects,
    }


def _left(left: VerifyReport, rows: list[DamageRow]) -> Result:
    return {
        "damages": len(left.damages),
        "damaged_files": sum(row.file_count for row in rows),
        "damaged_snapshots": len({each for damage in left.damages for each in damage.snapshots}),
        "unneeded_packs": len(left.unneeded),
    }
