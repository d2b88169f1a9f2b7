"""Verify: is everything there that the snapshots need, and is it what it was?

One on schedule also reads the packs whose turn it is, at the lowest priority. It goes on after a restart of the core,
and ends its reading early for a job that can't run beside it: what was read counts all the same.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import structlog

from phoenix_core.agentlink.reports import Progress
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.amounts import amount, size
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.claims import VAULT, VERIFICATION, Claim
from phoenix_core.engine.commit import last_record_seen
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.queue import WAITING
from phoenix_core.engine.requests import VerifyJob
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.turns import GentleTurns
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.vault_errors import DamageFound
from phoenix_core.engine.workflow import Finish, JobRun, Workflow
from phoenix_core.engine.workflows.damage_hits import damage_rows, servers_hit
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.malloc import trim_memory
from phoenix_core.vault.readturn import ReadTurn
from phoenix_core.vault.verify import VerifyProgress, VerifyReport, verify_vault

SCHEDULE = "verify.schedule"
USUAL_PERIOD = timedelta(days=1)
LOOK_S = 2.0
"""How often a verify on schedule looks whether another job waits for it."""
_COMES_FIRST = frozenset({JobKind.VERIFY, JobKind.REPAIR, JobKind.REBUILD_INDEX})

log = structlog.get_logger(__name__)


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
        settings: Settings,
        clock: Clock,
        *,
        busy: Callable[[], bool],
        far: Callable[[], bool],
    ) -> None:
        """`busy`: whether jobs run that are no verify. `far`: packs come over a network."""
        self._seat = seat
        self._lost = lost
        self._snapshots = snapshots
        self._known_descriptor = known_descriptor
        self._jobs = jobs
        self._facts = facts
        self._settings = settings
        self._clock = clock
        self._busy = busy
        self._far = far

    def can_resume(self, job: JobRow) -> bool:
        return _request(job).in_turn

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT), Claim(VERIFICATION, exclusive=True))

    async def run(self, run: JobRun) -> Finish:
        request = _request(run.job)
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

        def verify(turns: GentleTurns | None) -> VerifyReport:
            return verify_vault(
                vault.node,
                vault.key,
                request.depth,
                [SnapshotId(each) for each in request.snapshots],
                tell,
                run.stop.is_set,
                last_record=last_record,
                expected=expected,
                descriptor=descriptor,
                turns=turns,
            )

        if request.in_turn:
            async with self._giving_way(run) as turns:
                report = await run.in_quiet_thread(lambda: verify(turns))
        else:
            report = await run.in_thread(lambda: verify(None))
        await run.in_thread(trim_memory)
        await self._keep(run, request, report)
        return Finish(result=_numbers(report))

    @asynccontextmanager
    async def _giving_way(self, run: JobRun) -> AsyncIterator[GentleTurns]:
        turns = GentleTurns(self._turn(run), self._busy, run.stop, far=self._far())
        watch = asyncio.create_task(self._watch(turns, run.job.id), name=f"who waits for {run.job.id}")
        try:
            yield turns
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    def _turn(self, run: JobRun) -> ReadTurn | None:
        days, now = self._settings.whole("verify.days"), self._clock.now()
        if not days:
            return None
        following = self._settings.timetable(SCHEDULE).due_after(now)
        return ReadTurn(
            began_ns=int((run.job.started_at or now).timestamp() * 1e9),
            now_ns=int(now.timestamp() * 1e9),
            within=timedelta(days=days),
            next_run=following - now if following is not None else USUAL_PERIOD,
            with_unproved=not self._settings.flag("prove.enabled"),
        )

    async def _watch(self, turns: GentleTurns, job_id: str) -> None:
        told = False
        while True:
            waiting: list[JobRow] = []
            try:
                waiting, told = await self._jobs.in_states(WAITING), False
            except Exception:
                # The catalog may be read again at the next look; until then the verify gives way to none that waits.
                if not told:
                    log.exception("who waits can't be found out", job=job_id)
                told = True
            if any(job.kind in _COMES_FIRST and job.id != job_id for job in waiting):
                turns.others_wait.set()
            await asyncio.sleep(LOOK_S)

    async def _keep(self, run: JobRun, request: VerifyJob, report: VerifyReport) -> None:
        rows = await damage_rows(run.job.id, report.damages, self._snapshots)
        await self._jobs.set_damages(run.job.id, rows)
        seen = f"{amount(report.packs, 'pack')} and {amount(report.snapshots, 'snapshot')}"
        await run.note(f"Verified {seen}, depth {request.depth}.")
        if report.packs_in_turn:
            await run.note(_turns_text(report))
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
        "packs_read": report.packs_read,
        "packs_in_turn": report.packs_in_turn,
    }


def _request(job: JobRow) -> VerifyJob:
    return msgspec.json.decode(job.request, type=VerifyJob)


def _turns_text(report: VerifyReport) -> str:
    text = f"Of {amount(report.packs_in_turn, 'pack')} whose turn it was, {report.packs_read} were read to the last "
    text += f"chunk and are sound; {size(report.bytes_read)} in all."
    left = report.packs_in_turn - report.packs_read
    return text if left <= 0 else f"{text} The others are damaged, or have their turn next time: another job waits."
