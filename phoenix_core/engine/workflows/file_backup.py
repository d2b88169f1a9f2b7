"""WF4, WF5: backup of a file server. WF1.2 to 1.4: how the request, the storage and the data go."""

import asyncio
from functools import partial

import msgspec
import structlog

from phoenix_core.agentlink import features
from phoenix_core.agentlink.messages import BackupOrder, DomainAccess, ParentSnapshot, SnapshotRecorded
from phoenix_core.agentlink.reports import BackupResult, JobFailed, ReportBody
from phoenix_core.agentlink.sourcesnapshots import SourceSnapshotOrder
from phoenix_core.agentlink.streamorder import StreamOrder
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow, SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.names import parse_shown
from phoenix_core.domain.policies import BackupPolicy
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.streams import Stream, name_of
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.annotations import Annotations
from phoenix_core.engine.assignment import BACKUP, StorageAssigner
from phoenix_core.engine.catalog_patience import once_there_is_space
from phoenix_core.engine.claims import VAULT, Claim, backups_of
from phoenix_core.engine.commit import CommitClaim, Committer
from phoenix_core.engine.content import images_of, needs_rules, ordered
from phoenix_core.engine.errors import AgentAway, AgentWithoutSnapshots, JobAborted, JobSkipped, StreamsUnknown
from phoenix_core.engine.families import is_windows
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.node_patience import once_it_answers
from phoenix_core.engine.own_folders import OwnFolders
from phoenix_core.engine.parents import choose_parent, unusable_chunks
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.record_watch import RecordWatch
from phoenix_core.engine.requests import BackupJob
from phoenix_core.engine.rereads import READ_ALL, Rereads
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.snapshot_news import SnapshotNews
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow
from phoenix_core.engine.workflows.agent_step import (
    agents_outcome,
    file_pairs,
    numbers,
    raise_failure,
    stored_outcome,
)
from phoenix_core.engine.workflows.file_backup_plan import FileBackupPlan
from phoenix_core.engine.workflows.wf4_file_backup_windows import WINDOWS
from phoenix_core.engine.workflows.wf5_file_backup_linux import LINUX
from phoenix_core.storage.errors import LeaseRefused
from phoenix_core.vault.domainkeys import DomainKeys

SKIPPING = "pre_script_failed"
"""Code of the agent's error that means: no backup now."""
NOT_NUMBERS = ("snapshot_id", "missing", "missing_count", "changed_while_read", "problems", "source_snapshots")
UNUSABLE_MAX = 200_000
"""Ids of chunks that fit into an order; with more of the parent lost, comparing with it is no gain."""
TOO_OLD_FOR_RULES = (
    "The agent is of a version that knows no extensions, sizes, ages and tagged caches in content rules: it takes all "
    "that folders and patterns name. Upgrade the agent."
)

log = structlog.get_logger(__name__)


class FileBackup(Workflow):
    kind = JobKind.FILE_BACKUP
    resumable = True
    plan = LINUX.steps

    def __init__(
        self,
        seat: VaultSeat,
        directory: PeerDirectory,
        snapshots: Snapshots,
        lost: LostSnapshots,
        records: RecordWatch,
        jobs: Jobs,
        settings: Settings,
        assigner: StorageAssigner,
        agents: AgentJobs,
        committer: Committer,
        news: SnapshotNews,
        attached: Attached,
        own_folders: OwnFolders,
        rereads: Rereads,
        clock: Clock,
        annotations: Annotations,
    ) -> None:
        self._seat = seat
        self._directory = directory
        self._snapshots = snapshots
        self._lost = lost
        self._records = records
        self._jobs = jobs
        self._settings = settings
        self._assigner = assigner
        self._agents = agents
        self._committer = committer
        self._news = news
        self._attached = attached
        self._own_folders = own_folders
        self._rereads = rereads
        self._clock = clock
        self._annotations = annotations

    def plan_for(self, agent_id: str) -> tuple[tuple[str, str], ...]:
        return self._plan(agent_id).steps

    def _plan(self, agent_id: str) -> FileBackupPlan:
        agent = self._directory.get(agent_id)
        return WINDOWS if agent is not None and is_windows(agent.platform) else LINUX

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT), Claim(backups_of(job.server_id), exclusive=True))

    def skipped_without_agent(self, job: JobRow) -> PhoenixError | None:
        if not msgspec.json.decode(job.request, type=BackupJob).scheduled:
            return None
        return AgentAway(server=self._directory.name_of(job.agent_id))

    async def run(self, run: JobRun) -> Finish:
        request = msgspec.json.decode(run.job.request, type=BackupJob)
        try:
            outcome = stored_outcome(run) or await self._agents_part(run, request)
            if isinstance(outcome, JobFailed) and outcome.error.code == SKIPPING:
                raise JobSkipped(outcome.error)
            finish = await self._conclude(run, request, raise_failure(outcome))
        except asyncio.CancelledError:
            raise  # The core stops; the lease stays for when the job is picked up again.
        except BaseException:
            await self._release(run)
            raise
        await self._release(run)
        return finish

    async def _agents_part(self, run: JobRun, request: BackupJob) -> ReportBody:
        if not (run.resumed and run.job.lease):
            async with run.step(self._plan(run.job.agent_id).agent_runs) as step:
                step.detail = f"{self._directory.name_of(run.job.agent_id)} is connected"
            async with run.step("WF1.2") as step:
                self._directory.server_in_use(request.server_id)
                await self._records.check()
                await self._check_agent(run, request)
                step.detail = ", ".join(request.paths)
        vault = self._seat.get()
        domain = vault.current_domain()
        policy = (await self._attached.policies_by_server()).get(request.server_id)
        why_full = "" if request.stream else await self._rereads.due(request, policy)
        async with run.step("WF1.3") as step:
            parent = None if why_full else await self._parent(run, vault, domain, request)
            if not (run.resumed and run.job.lease):
                parent = await self._open_lease(run, vault, request, parent)
            step.detail = f"vault {vault.vault_id[:12]}, domain {domain.domain}"

        async def make_order() -> BackupOrder:
            policy = (await self._attached.policies_by_server()).get(request.server_id)
            order = self._order(run, vault, domain, parent, request, policy)
            if request.stream is not None:
                return _of_stream(order, request.stream, policy)
            if needs_rules(request.content()) and not self._agents.knows(run.job.agent_id, features.RULES):
                await run.note(TOO_OLD_FOR_RULES, "warning")
            return msgspec.structs.replace(order, why_full=why_full)

        return await agents_outcome(run, self._agents, make_order)

    async def _open_lease(
        self, run: JobRun, vault: OpenVault, request: BackupJob, parent: ParentSnapshot | None
    ) -> ParentSnapshot | None:
        """Returns the parent that the lease holds."""
        lease = self._assigner.new_lease()
        snapshot = SnapshotId(parent.snapshot_id) if parent else None
        try:
            await self._assigner.open(vault, lease, run.job.id, request.server_id, snapshot)
        except LeaseRefused as error:
            if parent is None:
                raise
            await run.note(f"{error.message} Every file is read.", "warning")
            return await self._open_lease(run, vault, request, None)
        await run.update(lease=lease)
        return parent

    async def _parent(
        self, run: JobRun, vault: OpenVault, domain: DomainKeys, request: BackupJob
    ) -> ParentSnapshot | None:
        if request.full:
            return None
        await self._lost.look()
        candidates = await self._snapshots.listed(server_id=request.server_id, readable_only=True)
        of_stream = request.stream.name if request.stream else ""
        candidates = [each for each in candidates if name_of(each.paths) == of_stream]
        chosen = choose_parent(candidates, request.paths, domain.domain, domain.epoch)
        if chosen is None:
            return None
        try:
            unusable = await run.in_thread(lambda: unusable_chunks(vault, chosen, run.stop))
        except PhoenixError as error:
            await run.note(f"The last backup can't be compared with: {error.message} Every file is read.", "warning")
            return None
        if len(unusable) > UNUSABLE_MAX:
            await run.note("Too much of the last backup is unusable; every file is read.", "warning")
            return None
        return ParentSnapshot(snapshot_id=chosen.id, root=chosen.root, unusable_chunks=tuple(unusable))

    def _order(
        self,
        run: JobRun,
        vault: OpenVault,
        domain: DomainKeys,
        parent: ParentSnapshot | None,
        request: BackupJob,
        policy: BackupPolicy | None,
    ) -> BackupOrder:
        rules = request.content()
        all_cross = request.cross_mounts or self._settings.flag("backup.cross_mounts")
        return BackupOrder(
            job=run.job.id,
            server_id=request.server_id,
            vault_id=vault.vault_id,
            vault_public_key=vault.descriptor.public_key,
            domain=DomainAccess(**{name: getattr(domain, name) for name in domain.__struct_fields__}),
            storage=self._assigner.access(
                vault, run.job.id, request.server_id, run.job.agent_id, run.job.lease, BACKUP
            ),
            paths=tuple(parse_shown(path) for path in request.paths),
            excludes=request.excludes,
            fixed_chunk_patterns=images_of(rules),
            never_write_under=self._own_folders.at(run.job.agent_id),
            cross_mounts=all_cross or any(rule.cross_mounts for rule in rules),
            rules=ordered(rules, all_cross=all_cross),
            core_time_ns=int(self._clock.now().timestamp() * 1e9),
            parent=parent,
            compression_level=self._settings.whole("backup.compression_level"),
            dry_run=request.dry_run,
            workers=self._settings.whole("backup.workers"),
            nice=self._settings.whole("backup.nice"),
            bandwidth=policy.bandwidth if policy else (),
            time_zone=policy.time_zone if policy else "UTC",
            pre_script=policy.pre_script if policy else "",
            post_script=policy.post_script if policy else "",
            script_timeout_s=policy.script_timeout_s if policy else 0,
            pre_script_needed=policy.pre_script_needed if policy else True,
            source_snapshot=self._source_snapshot(request, policy),
            last_record=vault.chain.last,
            rollback_accepted=self._records.accepted_at,
        )

    async def _check_agent(self, run: JobRun, request: BackupJob) -> None:
        """Whether it knows what is wanted of it. Raises AgentWithoutSnapshots, StreamsUnknown."""
        if request.stream is not None:
            if not self._agents.knows(run.job.agent_id, features.STREAMS):
                raise StreamsUnknown(server=self._directory.name_of(run.job.agent_id))
            return
        policy = (await self._attached.policies_by_server()).get(request.server_id)
        wanted = self._source_snapshot(request, policy)
        if wanted is None or self._agents.knows(run.job.agent_id, features.SOURCE_SNAPSHOTS):
            return
        error = AgentWithoutSnapshots(server=self._directory.name_of(run.job.agent_id))
        if wanted.mode is SourceSnapshot.REQUIRED:
            raise error
        await run.note(f"{error.message} Live files are read.", "warning")

    def _source_snapshot(self, request: BackupJob, policy: BackupPolicy | None) -> SourceSnapshotOrder | None:
        wanted = request.source_snapshot or (policy.source_snapshot if policy else SourceSnapshot.OFF)
        if wanted is SourceSnapshot.OFF:
            return None
        return SourceSnapshotOrder(wanted, self._settings.whole("backup.lvm_snapshot_percent"))

    async def _conclude(self, run: JobRun, request: BackupJob, outcome: ReportBody) -> Finish:
        if not isinstance(outcome, BackupResult):
            raise JobAborted(detail=f"The agent answered a backup with {type(outcome).__name__}")
        changed = [(path, "changed while it was read") for path in outcome.changed_while_read]
        changed += [("", problem) for problem in outcome.problems]
        for kind, files in (("missing", file_pairs(outcome.missing)), ("note", changed)):
            await once_there_is_space(partial(self._jobs.set_files, run.job.id, kind, files))
        result = numbers(outcome, without=NOT_NUMBERS)
        if not outcome.dry_run:
            row = await self._record(run, request, outcome)
            result[READ_ALL] = not row.parent
        return Finish(
            state=JobState.SUCCESSFUL_WITH_ERRORS if outcome.missing_count or outcome.problems else JobState.SUCCESSFUL,
            result=result,
            snapshot_id="" if outcome.dry_run else outcome.snapshot_id,
            missing_count=outcome.missing_count,
        )

    async def _record(self, run: JobRun, request: BackupJob, outcome: BackupResult) -> SnapshotRow:
        vault = self._seat.get()
        async with run.step("record") as step:
            claim = CommitClaim(
                job_id=run.job.id,
                server_id=request.server_id,
                server_name=self._directory.name_of(request.server_id),
                lease=run.job.lease,
                agent_keys=tuple(self._directory.keys_of(run.job.agent_id)),
                stream=name_of(request.paths),
            )
            snapshot = SnapshotId(outcome.snapshot_id)
            row, record = await once_there_is_space(
                lambda: once_it_answers(
                    run,
                    lambda: self._committer.commit(vault, snapshot, claim),
                    "The snapshot is recorded once it answers.",
                )
            )
            step.detail = f"snapshot {row.id[:12]}, record {record.sequence}"
            if request.tags:
                row = await once_there_is_space(
                    lambda: once_it_answers(
                        run,
                        lambda: self._annotations.tag(vault, snapshot, request.tags),
                        "The snapshot is tagged once it answers.",
                    )
                )
                step.detail += f", tags {', '.join(row.tags)}"
        if request.stream is None:
            await once_there_is_space(lambda: self._directory.set_default_paths(request.server_id, request.paths))
        await self._tell(run, row, record.sequence, vault.vault_id)
        return row

    async def _tell(self, run: JobRun, row: SnapshotRow, sequence: int, vault_id: str) -> None:
        self._news.added(row)
        message = SnapshotRecorded(job=run.job.id, snapshot_id=row.id, record=sequence, vault=vault_id)
        try:
            await self._agents.send(run.job.agent_id, message)
        except PhoenixError as error:
            log.info("the agent will learn of the record later", job=run.job.id, error=error.code)

    async def _release(self, run: JobRun) -> None:
        vault = self._seat.opened
        if vault is not None:
            await self._assigner.close(vault, run.job.lease)


def _of_stream(order: BackupOrder, stream: Stream, policy: BackupPolicy | None) -> BackupOrder:
    """Scripts around a backup, and snapshots of file systems, are for its files; a stream has its own script."""
    timeout_s = policy.script_timeout_s if policy else BackupPolicy("").script_timeout_s
    return msgspec.structs.replace(
        order,
        stream=StreamOrder(stream.name, stream.script, timeout_s, stream.handed),
        rules=(),
        pre_script="",
        post_script="",
        source_snapshot=None,
    )
