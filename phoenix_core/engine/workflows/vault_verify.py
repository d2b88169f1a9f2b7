"""Verify: is everything there that the snapshots need, and is it what it was?"""

import asyncio
from collections.abc import Callable

import msgspec

from phoenix_core.agentlink.messages import Progress
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.claims import VAULT, VERIFICATION, Claim
from phoenix_core.engine.commit import last_record_seen
from phoenix_core.engine.errors import DamageFound
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.requests import VerifyJob
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow
from phoenix_core.engine.workflows.damage_hits import damage_rows, servers_hit
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.malloc import trim_memory
from phoenix_core.vault.verify import VerifyProgress, VerifyReport, verify_vault


class VerifyVault(Workflow):
    kind = JobKind.VERIFY
    resumable = False
    plan = (
        ("records", "Follow the records"),
        ("packs", "Look at every pack"),
        ("trees", "Read the trees of the snapshots"),
    )

    def __init__(
        self,
        seat: VaultSeat,
        jobs: Jobs,
        snapshots: Snapshots,
        facts: Facts,
        lost: LostSnapshots,
        known_descriptor: Callable[[str], VaultDescriptor | None],
        clock: Clock,
    ) -> None:
        self._seat = seat
        self._lost = lost
        self._snapshots = snapshots
        self._known_descriptor = known_descriptor
        self._jobs = jobs
        self._facts = facts
        self._clock = clock

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT), Claim(VERIFICATION, exclusive=True))

    async def run(self, run: JobRun) -> Finish:
        request = msgspec.json.decode(run.job.request, type=VerifyJob)
        vault = self._seat.get()
        last_record = await last_record_seen(self._facts, vault)
        descriptor = await asyncio.to_thread(self._known_descriptor, vault.vault_id)
        expected = [SnapshotId(each) for each in await self._snapshots.readable_by_id()]
        began = self._clock.monotonic_s()

        def tell(progress: VerifyProgress) -> None:
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

        report = await run.in_thread(
            lambda: verify_vault(
                vault.node,
                vault.key,
                request.depth,
                [SnapshotId(each) for each in request.snapshots],
                tell,
                run.stop.is_set,
                last_record=last_record,
                expected=expected,
                descriptor=descriptor,
            )
        )
        await run.in_thread(trim_memory)
        await self._keep(run, request, report)
        return Finish(result=_numbers(report))

    async def _keep(self, run: JobRun, request: VerifyJob, report: VerifyReport) -> None:
        rows = await damage_rows(run.job.id, report.damages, self._snapshots)
        await self._jobs.set_damages(run.job.id, rows)
        seen = f"{amount(report.packs, 'pack')} and {amount(report.snapshots, 'snapshot')}"
        await run.note(f"Verified {seen}, depth {request.depth}.")
        for text in report.unneeded[:100]:
            await run.note(f"{text} No snapshot needs that: `phoenix vault prune --execute` deletes it.", "warning")
        if not report.damages:
            return
        for damage in report.damages[:100]:
            await run.note(damage.what, "error")
        await run.update(result=_numbers(report))
        hit = {each for damage in report.damages for each in damage.snapshots}
        await self._lost.check(hit)
        healing = {each for damage in report.damages if not damage.of_records for each in damage.snapshots}
        servers = await servers_hit(self._snapshots, healing)
        raise DamageFound(
            job=run.job.id,
            damages=len(rows),
            files=sum(row.file_count for row in rows),
            snapshots=len(hit),
            backups=", ".join(f"`{server.backup}`" for server in servers),
            of_data=any(not damage.of_records for damage in report.damages),
            of_records=any(damage.of_records for damage in report.damages),
        )


def _numbers(report: VerifyReport) -> dict[str, int | float | str | bool]:
    return {
        "depth": str(report.depth),
        "snapshots": report.snapshots,
        "trees": report.trees,
        "files": report.files,
        "packs": report.packs,
        "chunks": report.chunks,
        "bytes_read": report.bytes_read,
        "damages": len(report.damages),
        "unneeded_packs": len(report.unneeded),
    }
