"""Removal of a snapshot, or of all whose undo period is over: the signed record first, then the object. The data of
what is gone for good goes with the next prune. By itself nothing goes for good while anything is damaged or lost, nor
the last restore point of what it holds."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import msgspec

from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.ids import SHORT_ID_DIGITS, SnapshotId
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.catalog_patience import once_there_is_space
from phoenix_core.engine.claims import PRUNING, VAULT, Claim
from phoenix_core.engine.errors import SnapshotHeld
from phoenix_core.engine.expiry import Expiry
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.node_patience import once_it_answers
from phoenix_core.engine.removals import Removals
from phoenix_core.engine.requests import RemoveSnapshotJob
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow

T = TypeVar("T")

UNDO = "snapshots.undo_days"
SECONDS_PER_DAY = 86400


class RemoveSnapshot(Workflow):
    kind = JobKind.SNAPSHOT_REMOVE
    resumable = True
    plan = (("remove", "Record the removal"),)

    def __init__(
        self,
        seat: VaultSeat,
        lost: LostSnapshots,
        removals: Removals,
        expiry: Expiry,
        settings: Settings,
    ) -> None:
        self._seat = seat
        self._lost = lost
        self._removals = removals
        self._expiry = expiry
        self._settings = settings

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT), Claim(PRUNING))

    async def run(self, run: JobRun) -> Finish:
        request = msgspec.json.decode(run.job.request, type=RemoveSnapshotJob)
        if not request.snapshot_id:
            return await self._expire(run)
        vault, snapshot = self._seat.get(), SnapshotId(request.snapshot_id)
        days = 0 if request.at_once else self._settings.whole(UNDO)
        who, short = run.job.requested_by, snapshot[:SHORT_ID_DIGITS]
        async with run.step("remove") as step:
            undo_s = days * SECONDS_PER_DAY
            await _patiently(run, partial(self._removals.set_aside, vault, snapshot, who, undo_s))
            step.detail = f"snapshot {short}" + (f", to be undone within {amount(days, 'day')}" if days else "")
        return Finish(snapshot_id=request.snapshot_id, result={"undo_days": days})

    async def _expire(self, run: JobRun) -> Finish:
        vault = self._seat.get()
        await self._check_in_order(run, vault)
        removed = kept = 0
        async with run.step("remove") as step:
            for row in await self._expiry.over():
                run.check()
                short = row.id[:SHORT_ID_DIGITS]
                try:
                    went = await _patiently(run, partial(self._removals.expire, vault, SnapshotId(row.id)))
                except SnapshotHeld as error:
                    kept += 1
                    await run.note(error.message, "warning")
                    continue
                if went:
                    removed += 1
                    step.detail = f"{removed} removed"
                    await run.note(f"Snapshot {short} of {row.server_name} is removed for good.")
            step.detail = f"{removed} removed" + (f", {kept} kept" if kept else "")
        return Finish(result={"removed": removed, "kept": kept})

    async def _check_in_order(self, run: JobRun, vault: OpenVault) -> None:
        """Raises JobSkipped."""

        async def look() -> None:
            # A restore point that is lost must not stand in for one that isn't.
            await self._lost.look_to_the_end()
            await self._expiry.check_in_order(vault)

        await once_it_answers(run, look, "The removals are looked at once it answers.")


async def _patiently(run: JobRun, work: Callable[[], Awaitable[T]]) -> T:
    return await once_there_is_space(partial(once_it_answers, run, work, "The removal goes on once it answers."))
