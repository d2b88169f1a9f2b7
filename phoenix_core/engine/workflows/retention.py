"""Retention: removes the restore points that no policy keeps. Their data goes with the next prune."""

from functools import partial

from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.ids import SHORT_ID_DIGITS, SnapshotId
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.catalog_patience import once_there_is_space
from phoenix_core.engine.claims import PRUNING, RETENTION, VAULT, Claim
from phoenix_core.engine.commit import Committer
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.node_patience import once_it_answers
from phoenix_core.engine.policies.retention_plan import RetentionPlans
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow


class ApplyRetention(Workflow):
    kind = JobKind.RETENTION
    resumable = True
    plan = (
        ("plan", "Decide which restore points stay"),
        ("remove", "Remove the others"),
    )

    def __init__(self, seat: VaultSeat, plans: RetentionPlans, lost: LostSnapshots, committer: Committer) -> None:
        self._seat = seat
        self._plans = plans
        self._lost = lost
        self._committer = committer

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT), Claim(PRUNING), Claim(RETENTION, exclusive=True))

    async def run(self, run: JobRun) -> Finish:
        vault = self._seat.get()
        async with run.step("plan") as step:
            await self._lost.look()  # a restore point that is lost must not stand in for one that isn't
            verdicts = await self._plans.all()
            going = [verdict.point for verdict in verdicts if not verdict.stays]
            step.detail = f"{len(verdicts) - len(going)} stay, {len(going)} go"
        async with run.step("remove") as step:
            for count, point in enumerate(going):
                run.check()
                step.detail = f"{count} of {len(going)}"
                remove = partial(self._committer.remove, vault, SnapshotId(point.id))
                await once_there_is_space(partial(once_it_answers, run, remove, "The removal goes on once it answers."))
                recorded = point.recorded_at.strftime("%Y-%m-%d %H:%M UTC")
                await run.note(f"Removed snapshot {point.id[:SHORT_ID_DIGITS]} of {recorded}: no policy keeps it.")
            step.detail = f"{len(going)} removed"
        return Finish(result={"kept": len(verdicts) - len(going), "removed": len(going)})
