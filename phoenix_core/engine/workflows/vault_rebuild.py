"""Rebuild of the storage node's index from the vault alone."""

from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import DamageRow, JobRow
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.claims import VAULT, Claim
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow


class RebuildIndex(Workflow):
    kind = JobKind.REBUILD_INDEX
    resumable = True
    plan = (("rebuild", "Read heads and tails of all packs"),)

    def __init__(self, seat: VaultSeat, jobs: Jobs) -> None:
        self._seat = seat
        self._jobs = jobs

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT, exclusive=True),)

    async def run(self, run: JobRun) -> Finish:
        vault = self._seat.get()
        async with run.step("rebuild") as step:
            found = await run.in_thread(vault.node.rebuild_index)
            step.detail = f"{found.packs} packs, {found.chunks} chunks"
        await self._jobs.set_damages(
            run.job.id,
            [
                DamageRow(run.job.id, at, f"Pack {pack[:16]} has no readable head or tail.", (), (), 0)
                for at, pack in enumerate(found.unreadable)
            ],
        )
        return Finish(
            state=JobState.SUCCESSFUL_WITH_ERRORS if found.unreadable else JobState.SUCCESSFUL,
            result={
                "packs": found.packs,
                "chunks": found.chunks,
                "unreadable_packs": len(found.unreadable),
                "seconds": found.seconds,
            },
        )
