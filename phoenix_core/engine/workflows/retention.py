"""Retention: removes the restore points that no policy keeps, so that each removal can be undone for a while
(`snapshots.undo_days`)."""

from collections import deque
from collections.abc import Iterable
from functools import partial

from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.ids import SHORT_ID_DIGITS, SnapshotId
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.catalog_patience import once_there_is_space
from phoenix_core.engine.claims import PRUNING, RETENTION, VAULT, Claim
from phoenix_core.engine.errors import JobSkipped, SnapshotHeld
from phoenix_core.engine.expiry import Expiry
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.node_patience import once_it_answers
from phoenix_core.engine.policies.retention import RestorePoint, Verdict
from phoenix_core.engine.policies.retention_plan import RetentionPlans
from phoenix_core.engine.removals import Removals
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow
from phoenix_core.engine.workflows.snapshot_remove import SECONDS_PER_DAY, UNDO

BY = "retention"
"""Who removed a snapshot that no policy keeps."""
_MEANWHILE = "The plan is made once it answers."


class ApplyRetention(Workflow):
    kind = JobKind.RETENTION
    resumable = True
    plan = (
        ("plan", "Decide which restore points stay"),
        ("remove", "Remove the others"),
    )

    def __init__(
        self,
        seat: VaultSeat,
        plans: RetentionPlans,
        lost: LostSnapshots,
        removals: Removals,
        expiry: Expiry,
        settings: Settings,
    ) -> None:
        self._seat = seat
        self._plans = plans
        self._lost = lost
        self._removals = removals
        self._expiry = expiry
        self._settings = settings

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT), Claim(PRUNING), Claim(RETENTION, exclusive=True))

    async def run(self, run: JobRun) -> Finish:
        vault, plans = self._seat.get(), partial(self._plans.all, run.stop.is_set)
        async with run.step("plan") as step:
            # A restore point that is lost must not stand in for one that isn't.
            await once_it_answers(run, self._lost.look_to_the_end, _MEANWHILE)
            if not self._settings.whole(UNDO):  # what goes then goes for good
                await once_it_answers(run, partial(self._expiry.check_in_order, vault), _MEANWHILE)
            changes = self._plans.changes
            verdicts = await once_it_answers(run, plans, _MEANWHILE)
            going = _going(verdicts)
            step.detail = f"{len(verdicts) - len(going)} stay, {len(going)} go"
        removed = 0
        left_out: ErrorView | None = None
        async with run.step("remove") as step:
            while going:
                run.check()
                if self._plans.changes != changes:  # policies may keep what was to go
                    changes = self._plans.changes
                    still = {point.id for point in _going(await once_it_answers(run, plans, _MEANWHILE))}
                    going = deque(point for point in going if point.id in still)
                    run.check()
                    continue
                point = going.popleft()
                remove = partial(self._remove, vault, SnapshotId(point.id))
                try:
                    await once_there_is_space(
                        partial(once_it_answers, run, remove, "The removal goes on once it answers.")
                    )
                except SnapshotHeld as error:  # since the plan was made
                    await run.note(error.message)
                    continue
                except JobSkipped as error:
                    if not removed:
                        raise
                    left_out = error.view()
                    break
                removed += 1
                recorded = point.recorded_at.strftime("%Y-%m-%d %H:%M UTC")
                await run.note(f"Removed snapshot {point.id[:SHORT_ID_DIGITS]} of {recorded}: no policy keeps it.")
                step.detail = f"{removed} removed"
            step.detail = f"{removed} removed"
        return Finish(
            state=JobState.SUCCESSFUL_WITH_ERRORS if left_out else JobState.SUCCESSFUL,
            result={"kept": len(verdicts) - removed, "removed": removed},
            error=left_out,
        )

    async def _remove(self, vault: OpenVault, snapshot: SnapshotId) -> None:
        """Raises JobSkipped where it would go for good and something is damaged or lost; else as `set_aside`."""
        if not self._settings.whole(UNDO):  # a pack may have been found damaged since, or the setting changed
            await self._expiry.check_in_order(vault)
        # Not before: while the node was waited for, somebody may have wanted to be able to undo.
        undo_s = self._settings.whole(UNDO) * SECONDS_PER_DAY
        await self._removals.set_aside(vault, snapshot, BY, undo_s)


def _going(verdicts: Iterable[Verdict]) -> deque[RestorePoint]:
    return deque(verdict.point for verdict in verdicts if not verdict.stays)
