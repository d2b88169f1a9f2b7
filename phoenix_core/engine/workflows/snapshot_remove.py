"""Removal of a snapshot, or of all whose undo period is over: the signed record first, then the object. The data of
what is gone for good goes with the next prune."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import msgspec

from phoenix_core.catalog.rows import JobRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.ids import SHORT_ID_DIGITS, SnapshotId
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.catalog_patience import once_there_is_space
from phoenix_core.engine.claims import PRUNING, VAULT, Claim
from phoenix_core.engine.node_patience import once_it_answers
from phoenix_core.engine.removals import Removals
from phoenix_core.engine.requests import RemoveSnapshotJob
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.standing import undo_over
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow

T = TypeVar("T")

UNDO = "snapshots.undo_days"
SECONDS_PER_DAY = 86400


class RemoveSnapshot(Workflow):
    kind = JobKind.SNAPSHOT_REMOVE
    resumable = True
    plan = (("remove", "Record the removal"),)

    def __init__(
        self, seat: VaultSeat, snapshots: Snapshots, removals: Removals, settings: Settings, seen: SeenTime
    ) -> None:
        self._seat = seat
        self._snapshots = snapshots
        self._removals = removals
        self._settings = settings
        self._seen = seen

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
        removed = 0
        async with run.step("remove") as step:
            for row in await self._snapshots.listed(removed=True):
                run.check()
                if not undo_over(row, self._seen.now_s):
                    continue
                if await _patiently(run, partial(self._removals.remove, vault, SnapshotId(row.id), expired=True)):
                    removed += 1
                    step.detail = f"{removed} removed"
                    await run.note(f"Snapshot {row.id[:SHORT_ID_DIGITS]} of {row.server_name} is removed for good.")
            step.detail = f"{removed} removed"
        return Finish(result={"removed": removed})


async def _patiently(run: JobRun, work: Callable[[], Awaitable[T]]) -> T:
    return await once_there_is_space(partial(once_it_answers, run, work, "The removal goes on once it answers."))
