"""WF6: restore to a file server. WF2.2: the request is validated and storage assigned."""

from functools import partial

import msgspec

from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import ReportBody, RestoreResult
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow, SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.displaced import removed_text, renamed_text, replaced_text
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.names import parse_shown
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.claims import VAULT, Claim
from phoenix_core.engine.errors import JobAborted
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.requests import RestoreJob
from phoenix_core.engine.restore_access import RestoreAccess
from phoenix_core.engine.sources import Sources
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow
from phoenix_core.engine.workflows.agent_step import (
    file_pairs,
    numbers,
    raise_failure,
    stored_outcome,
)
from phoenix_core.engine.workflows.beside_grant import Beginning, beside_grant, may_begin_early
from phoenix_core.vault.errors import PathNotInSnapshot

_DISPLACED = ("displaced", "removed_folders", "removed_entries", "replaced_links", "renamed")


class FileRestore(Workflow):
    kind = JobKind.FILE_RESTORE
    resumable = True
    plan = (
        ("WF6.1", "Start the restore"),
        ("WF6.2", "Make sure that the agent is running"),
        ("WF2.2", "Validate the request and assign storage"),
        ("WF6.3", "Validate the destination"),
        ("WF6.4", "Check the free space"),
        ("WF6.5", "Determine the file set"),
        ("WF6.6", "Restore"),
    )

    def __init__(
        self,
        seat: VaultSeat,
        directory: PeerDirectory,
        snapshots: Snapshots,
        sources: Sources,
        jobs: Jobs,
        agents: AgentJobs,
        access: RestoreAccess,
    ) -> None:
        self._seat = seat
        self._directory = directory
        self._snapshots = snapshots
        self._sources = sources
        self._jobs = jobs
        self._agents = agents
        self._access = access

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT),)

    async def run(self, run: JobRun) -> Finish:
        request = msgspec.json.decode(run.job.request, type=RestoreJob)
        async with self._access.held(run):
            outcome = stored_outcome(run) or await self._agents_part(run, request)
            return await self._conclude(run, raise_failure(outcome))

    async def _agents_part(self, run: JobRun, request: RestoreJob) -> ReportBody:
        picked_up = run.resumed and bool(run.job.lease)
        if not picked_up:
            async with run.step("WF6.1") as step:
                step.detail = f"by {run.job.requested_by}"
            async with run.step("WF6.2") as step:
                step.detail = f"{self._directory.name_of(run.job.agent_id)} is connected"
        paths = tuple(parse_shown(path) for path in request.paths)
        grows = may_begin_early(run, self._agents)

        async def make_order(vault: OpenVault, snapshot: SnapshotRow) -> RestoreOrder:
            destination = parse_shown(request.destination)
            order = self._access.order(run, vault, snapshot, paths, destination, request.agent_id, grows=grows)
            return msgspec.structs.replace(order, conflict=request.conflict, check_only=request.check_only)

        grant = partial(self._grant, run, request, paths, picked_up=picked_up, grows=grows)
        return await beside_grant(run, self._agents, grant, make_order)

    async def _grant(
        self,
        run: JobRun,
        request: RestoreJob,
        paths: tuple[bytes, ...],
        beginning: Beginning,
        *,
        picked_up: bool,
        grows: bool,
    ) -> None:
        async with run.step("WF2.2") as step:
            self._directory.server_in_use(request.agent_id)
            vault = self._seat.get()
            snapshot = await self._snapshots.get(request.snapshot_id)
            if snapshot is None:
                raise NotFound(what="snapshot", name=request.snapshot_id[:12])
            taken = snapshot.created_at.isoformat(timespec="seconds")
            await run.update(snapshot_id=snapshot.id, result={"snapshot_at": taken})
            await self._sources.check(snapshot, request.paths)
            if not picked_up:
                await self._access.open(run, vault, snapshot, request.agent_id)
            begun = partial(beginning.give, vault, snapshot)
            try:
                grant = await self._access.grant(
                    run, vault, snapshot, paths, request.agent_id, begun=begun if grows else None
                )
            except PathNotInSnapshot as error:
                raise await self._sources.path_missing(error, snapshot, vault, request.paths) from error
            needed = f"{amount(grant.files, 'file')} in {amount(len(grant.packs), 'pack')}"
            step.detail = f"snapshot {snapshot.id[:12]} of {snapshot.created_at:%Y-%m-%d %H:%M:%S} UTC: {needed}"
        begun()

    async def _conclude(self, run: JobRun, outcome: ReportBody) -> Finish:
        if not isinstance(outcome, RestoreResult):
            raise JobAborted(detail=f"The agent answered a restore with {type(outcome).__name__}")
        await self._jobs.set_files(run.job.id, "missing", file_pairs(outcome.missing))
        await self._jobs.set_files(run.job.id, "note", file_pairs(outcome.displaced + outcome.not_applied))
        request = msgspec.json.decode(run.job.request, type=RestoreJob)
        return Finish(
            state=JobState.SUCCESSFUL_WITH_ERRORS if outcome.missing_count else JobState.SUCCESSFUL,
            result=numbers(
                outcome, without=("missing", "missing_count", "not_applied", "drill", "compare", *_DISPLACED)
            )
            | _displaced(outcome),
            snapshot_id=request.snapshot_id,
            missing_count=outcome.missing_count,
        )


def _displaced(outcome: RestoreResult) -> dict[str, int | float | str | bool]:
    """What of it there is: the numbers, and in words with the first names."""
    done, listed = not outcome.check_only, file_pairs(outcome.displaced)
    texts = {
        "removed": removed_text(outcome.removed_folders, outcome.removed_entries, listed, done=done),
        "replaced": replaced_text(outcome.replaced_links, listed, done=done),
        "beside": renamed_text(outcome.renamed, listed),
    }
    counts = {name: getattr(outcome, name) for name in _DISPLACED if name != "displaced"}
    return {name: value for name, value in (counts | texts).items() if value}
