"""Comparing a snapshot with what is on its server now. It goes the way of a restore as far as its trees are read."""

from functools import partial

import msgspec

from phoenix_core.agentlink import features
from phoenix_core.agentlink.comparemessages import COMPARE_DESTINATION, CompareFindings, CompareTerms, Difference
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import ReportBody, RestoreResult
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow, SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.names import parse_shown
from phoenix_core.domain.policies import ContentRule
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.claims import VAULT, Claim
from phoenix_core.engine.content import by_hand, excludes_of, ordered
from phoenix_core.engine.errors import AgentCannotCompare, JobAborted
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.requests import BackupJob, CompareJob
from phoenix_core.engine.restore_access import RestoreAccess
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.sources import Sources
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow
from phoenix_core.engine.workflows.agent_step import file_pairs, raise_failure, stored_outcome
from phoenix_core.engine.workflows.beside_grant import Beginning, beside_grant, may_begin_early
from phoenix_core.vault.errors import PathNotInSnapshot

DIFFERENCE = "difference"
"""The kind under which a job's differences are in the catalog."""


class FileCompare(Workflow):
    kind = JobKind.FILE_COMPARE
    resumable = True
    plan = (
        ("WF6.2", "Make sure that the agent is running"),
        ("WF2.2", "Validate the request and assign storage"),
        ("compare", "Compare the snapshot with what is there"),
    )

    def __init__(
        self,
        seat: VaultSeat,
        directory: PeerDirectory,
        snapshots: Snapshots,
        sources: Sources,
        jobs: Jobs,
        settings: Settings,
        agents: AgentJobs,
        access: RestoreAccess,
    ) -> None:
        self._seat = seat
        self._directory = directory
        self._snapshots = snapshots
        self._sources = sources
        self._jobs = jobs
        self._settings = settings
        self._agents = agents
        self._access = access

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT),)

    async def run(self, run: JobRun) -> Finish:
        request = msgspec.json.decode(run.job.request, type=CompareJob)
        async with self._access.held(run):
            outcome = stored_outcome(run) or await self._agents_part(run, request)
            return await self._conclude(run, request, raise_failure(outcome))

    async def _agents_part(self, run: JobRun, request: CompareJob) -> ReportBody:
        picked_up = run.resumed and bool(run.job.lease)
        agent_id = run.job.agent_id
        if not picked_up:
            async with run.step("WF6.2") as step:
                name = self._directory.name_of(agent_id)
                if not self._agents.knows(agent_id, features.COMPARE):
                    raise AgentCannotCompare(server=name)
                step.detail = f"{name} is connected"
        paths = tuple(parse_shown(path) for path in request.paths)
        grows = may_begin_early(run, self._agents)

        async def make_order(vault: OpenVault, snapshot: SnapshotRow) -> RestoreOrder:
            order = self._access.order(
                run, vault, snapshot, paths, COMPARE_DESTINATION, agent_id, grows=grows, gives_way=True
            )
            return msgspec.structs.replace(order, check_only=True, compare=await self._terms(request, snapshot))

        grant = partial(self._grant, run, request, paths, picked_up=picked_up, grows=grows)
        return await beside_grant(run, self._agents, grant, make_order)

    async def _grant(
        self,
        run: JobRun,
        request: CompareJob,
        paths: tuple[bytes, ...],
        beginning: Beginning,
        *,
        picked_up: bool,
        grows: bool,
    ) -> None:
        agent_id = run.job.agent_id
        async with run.step("WF2.2") as step:
            self._directory.server_in_use(agent_id)
            vault = self._seat.get()
            snapshot = await self._snapshots.get(request.snapshot_id)
            if snapshot is None:
                raise NotFound(what="snapshot", name=request.snapshot_id[:SHORT_ID_DIGITS])
            await self._sources.check(snapshot, request.paths)
            if not picked_up:
                await self._access.open(run, vault, snapshot, agent_id)
            begun = partial(beginning.give, vault, snapshot)
            try:
                await self._access.grant(
                    run, vault, snapshot, paths, agent_id, trees_only=True, begun=begun if grows else None
                )
            except PathNotInSnapshot as error:
                raise await self._sources.path_missing(error, snapshot, vault, request.paths) from error
            step.detail = f"snapshot {snapshot.id[:SHORT_ID_DIGITS]} of {snapshot.created_at:%Y-%m-%d %H:%M:%S} UTC"
        begun()

    async def _terms(self, request: CompareJob, snapshot: SnapshotRow) -> CompareTerms:
        """By the rules of the backup, which are known as long as its job is; else by the paths of the snapshot."""
        made_by = await self._jobs.get(snapshot.job_id)
        rules: tuple[ContentRule, ...] = (by_hand(snapshot.paths),)
        all_cross = self._settings.flag("backup.cross_mounts")
        if made_by is not None and made_by.kind is JobKind.FILE_BACKUP:
            backup = msgspec.json.decode(made_by.request, type=BackupJob)
            rules, all_cross = backup.content(), all_cross or backup.cross_mounts
        return CompareTerms(
            folder=parse_shown(request.folder),
            content=request.content,
            excludes=excludes_of(rules),
            cross_mounts=all_cross or any(rule.cross_mounts for rule in rules),
            rules=ordered(rules, all_cross=all_cross),
            made_ns=int(snapshot.created_at.timestamp() * 1e9),
        )

    async def _conclude(self, run: JobRun, request: CompareJob, outcome: ReportBody) -> Finish:
        if not isinstance(outcome, RestoreResult) or outcome.compare is None:
            raise JobAborted(detail=f"The agent answered a comparison with {type(outcome).__name__}")
        found = outcome.compare
        await self._jobs.set_files(run.job.id, "missing", file_pairs(outcome.missing))
        await self._jobs.set_files(run.job.id, DIFFERENCE, [_row(each) for each in found.differences])
        return Finish(
            state=JobState.SUCCESSFUL_WITH_ERRORS if outcome.missing_count else JobState.SUCCESSFUL,
            result=_numbers(found) | {"listed": len(found.differences), "seconds": outcome.seconds},
            snapshot_id=request.snapshot_id,
            missing_count=outcome.missing_count,
        )


def _row(difference: Difference) -> tuple[str, str]:
    return difference.path, msgspec.json.encode(difference).decode()


def _numbers(found: CompareFindings) -> dict[str, int | float | str | bool]:
    return {name: getattr(found, name) for name in found.__struct_fields__ if name != "differences"}
