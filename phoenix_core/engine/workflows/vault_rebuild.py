"""Rebuild of the storage node's index from the vault alone."""

from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import DamageRow, JobRow
from phoenix_core.domain.amounts import amount
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
            step.detail = f"{amount(found.packs, 'pack')}, {amount(found.chunks, 'chunk')}"
        await self._jobs.set_damages(
            run.job.id,
            [
                DamageRow(run.job.id, at, what, (), (), 0)
                for at, what in enumerate(
                    [
                        *(f"Pack {pack[:16]} has no readable head or tail." for pack in found.unreadable),
                        *(f"Pack {pack[:16]} is gone from the vault." for pack in found.lost),
                    ]
                )
            ],
        )
        whole = not found.unreadable and not found.lost
        await run.note(
            "Verify the vault now (`phoenix vault verify`): it tells whether all that snapshots need is there."
        )
        return Finish(
            state=JobState.SUCCESSFUL if whole else JobState.SUCCESSFUL_WITH_ERRORS,
            result={
                "packs": found.packs,
                "chunks": found.chunks,
                "unreadable_packs": len(found.unreadable),
                "lost_packs": len(found.lost),
                "seconds": found.seconds,
            },
        )
