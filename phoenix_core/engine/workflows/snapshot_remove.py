"""Removal of a snapshot: the signed record first, then the object. Its data goes with the next prune."""

import msgspec

from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.catalog_patience import once_there_is_space
from phoenix_core.engine.claims import PRUNING, VAULT, Claim
from phoenix_core.engine.commit import Committer
from phoenix_core.engine.node_patience import once_it_answers
from phoenix_core.engine.requests import RemoveSnapshotJob
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow


class RemoveSnapshot(Workflow):
    kind = JobKind.SNAPSHOT_REMOVE
    resumable = True
    plan = (("remove", "Record the removal and delete the snapshot"),)

    def __init__(self, seat: VaultSeat, committer: Committer) -> None:
        self._seat = seat
        self._committer = committer

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT), Claim(PRUNING))

    async def run(self, run: JobRun) -> Finish:
        request = msgspec.json.decode(run.job.request, type=RemoveSnapshotJob)
        async with run.step("remove") as step:
            vault, snapshot = self._seat.get(), SnapshotId(request.snapshot_id)
            await once_there_is_space(
                lambda: once_it_answers(
                    run, lambda: self._committer.remove(vault, snapshot), "The removal goes on once it answers."
                )
            )
            step.detail = f"snapshot {request.snapshot_id[:12]}"
        return Finish(snapshot_id=request.snapshot_id)
