"""Prune: makes the plan of what no snapshot needs, and where asked to, carries it out.

One on schedule carries it out only where it frees enough, and is skipped where something is damaged or lost: what lies
in the vault may help to mend that. What stopped backups sent it leaves for the next ones.
"""

from collections.abc import Callable
from datetime import timedelta

import msgspec

from phoenix_core.agentlink.reports import Progress
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow, Result
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.amounts import amount, size
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.states import JobKind
from phoenix_core.domain.streams import name_of
from phoenix_core.engine.claims import PRUNING, VAULT, Claim
from phoenix_core.engine.errors import JobSkipped
from phoenix_core.engine.in_order import troubles
from phoenix_core.engine.old_leases import close_old_leases
from phoenix_core.engine.pack_targets import pack_targets
from phoenix_core.engine.reading.leases import ReadingLeases
from phoenix_core.engine.record_watch import RecordWatch
from phoenix_core.engine.requests import PruneJob
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.vault_errors import PruneHeldUp, PruneLeftOut
from phoenix_core.engine.workflow import Finish, JobRun, Workflow
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.malloc import trim_memory
from phoenix_core.vault.mark import Marker
from phoenix_core.vault.prune import PrunePlan, PruneProgress, execute, make_plan
from phoenix_core.vault.stopped import Stopped


class PruneVault(Workflow):
    kind = JobKind.PRUNE
    resumable = False
    plan = (
        ("plan", "Find what no snapshot needs"),
        ("mark", "Look again at what is needed"),
        ("rewrite", "Move what is needed out of mostly unused packs"),
        ("wait", "Wait for the jobs that were running"),
        ("sweep", "Delete"),
    )

    def __init__(
        self,
        seat: VaultSeat,
        records: RecordWatch,
        jobs: Jobs,
        reading_leases: ReadingLeases,
        snapshots: Snapshots,
        settings: Settings,
        open_job_node: Callable[[str], JobNode],
        clock: Clock,
    ) -> None:
        self._seat = seat
        self._records = records
        self._jobs = jobs
        self._reading_leases = reading_leases
        self._snapshots = snapshots
        self._settings = settings
        self._open_job_node = open_job_node
        self._clock = clock

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT), Claim(PRUNING, exclusive=True))

    async def run(self, run: JobRun) -> Finish:
        request = msgspec.json.decode(run.job.request, type=PruneJob)
        vault = self._seat.get()
        await self._records.check()
        if request.if_worth_it:
            damaged = await troubles(vault, self._snapshots)
            if damaged:
                raise JobSkipped(PruneLeftOut(detail=f"the vault has {damaged}").view())
        await run.enter("plan")
        await close_old_leases(vault, self._jobs, self._reading_leases.names)
        marker = Marker(vault.node, vault.key, run.stop.is_set)
        stopped = await self._stopped(spared=request.if_worth_it)
        tell = self._teller(run)
        plan = await run.in_thread(
            lambda: make_plan(vault.node, vault.key, stopped=stopped, marker=marker, progress=tell)
        )
        numbers: Result = _numbers(plan)
        await run.update(result=numbers)
        await run.note(
            f"Unused: {amount(len(plan.unused), 'pack')}, {size(plan.unused_bytes)}. "
            f"Mostly unused: {amount(len(plan.rewrite), 'pack')}."
        )
        if plan.stopped_packs:
            what = f"{amount(plan.stopped_packs, 'pack')}, {size(plan.stopped_bytes)}, of backups that were stopped"
            await run.note(f"Left for the next ones: {what}." if stopped.spared else f"Of that: {what}.")
        if not request.execute:
            return Finish(result=numbers)
        if request.if_worth_it:
            why = self._why_left(plan)
            await run.note(why or f"That is worth it: {plan.freed_percent:.0f} % of what is stored.")
            if why:
                return Finish(result=numbers | {"left": why})
        targets = pack_targets(vault, run.job.id, self._open_job_node, self._clock)
        tell = self._teller(run, steps=True)
        done = await run.in_thread(
            lambda: execute(
                vault.node,
                vault.key,
                plan,
                open_target=targets,
                marker=marker,
                progress=tell,
                cancelled=run.stop.is_set,
            )
        )
        await run.in_thread(trim_memory)
        outcome = {name: value for name, value in msgspec.structs.asdict(done).items() if isinstance(value, int)}
        result: Result = numbers | outcome
        if not done.done:
            await run.update(result=result)
            raise PruneHeldUp(jobs=", ".join(done.waiting_for))
        return Finish(result=result)

    async def _stopped(self, *, spared: bool) -> Stopped:
        within = timedelta(days=self._settings.whole("prune.keep_stopped_days"))
        now_ns = int(self._clock.now().timestamp() * 1e9)
        dumps = frozenset(row.id for row in await self._snapshots.listed(removed=None) if name_of(row.paths))
        return Stopped(now_ns, round(within.total_seconds()) * 10**9, spared=spared, dumps=dumps)

    def _why_left(self, plan: PrunePlan) -> str:
        """Why the plan isn't worth carrying out; empty: it is."""
        least = self._settings.whole("prune.unused_percent")
        if not (plan.unused or plan.rewrite or plan.abandoned):
            return "Nothing is there to be deleted."
        if plan.freed_percent >= least:
            return ""
        freed = f"A prune would free about {plan.freed_percent:.1f} % of what is stored"
        return f"{freed}; it is worth it from {least} % on (setting prune.unused_percent)."

    def _teller(self, run: JobRun, *, steps: bool = False) -> Callable[[PruneProgress], None]:
        began = self._clock.monotonic_s()

        def tell(progress: PruneProgress) -> None:
            if steps:
                run.enter_from_thread(progress.phase)
            run.progress_from_thread(
                Progress(
                    job=run.job.id,
                    phase=progress.phase,
                    files_done=progress.done,
                    files_total=progress.total,
                    elapsed_s=self._clock.monotonic_s() - began,
                    current=", ".join(progress.waiting_for),
                )
            )

        return tell


def _numbers(plan: PrunePlan) -> Result:
    """Named as in `domain.views.PrunePlanView`."""
    return {
        "packs": plan.packs,
        "bytes": plan.bytes,
        "kept_packs": plan.kept_packs,
        "kept_bytes": plan.kept_bytes,
        "unused_packs": len(plan.unused),
        "unused_bytes": plan.unused_bytes,
        "rewrite_packs": len(plan.rewrite),
        "rewrite_bytes": plan.rewrite_bytes,
        "held_by_leases": plan.held_by_leases,
        "waiting_snapshots": plan.waiting_snapshots,
        "waiting_bytes": plan.waiting_bytes,
        "stopped_packs": plan.stopped_packs,
        "stopped_bytes": plan.stopped_bytes,
    }
