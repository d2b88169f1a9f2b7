"""WF6: restore to a file server. WF2.2: the request is validated and storage assigned."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import msgspec

from phoenix_core.agentlink.messages import DomainAccess, ReportBody, RestoreOrder, RestoreResult
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow, SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.displaced import removed_text, renamed_text, replaced_text
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.ids import PackId, SnapshotId
from phoenix_core.domain.names import parse_shown
from phoenix_core.domain.reasons import reason_text
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.assignment import CORE, RESTORE, StorageAssigner
from phoenix_core.engine.claims import VAULT, Claim
from phoenix_core.engine.errors import JobAborted
from phoenix_core.engine.key_desk import KeyDesk
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.requests import AGENT_ASKS, RestoreJob
from phoenix_core.engine.restore_grant import Grant, plan_grant
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.sources import Sources
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow
from phoenix_core.engine.workflows.agent_step import (
    agents_outcome,
    file_pairs,
    numbers,
    raise_failure,
    stored_outcome,
)
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.errors import PathNotInSnapshot
from phoenix_core.vault.maintenance_node import PackTarget
from phoenix_core.vault.malloc import trim_memory

GRANT_BATCH = 10_000
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
        settings: Settings,
        assigner: StorageAssigner,
        agents: AgentJobs,
        keys: KeyDesk,
        open_job_node: Callable[[str], JobNode],
    ) -> None:
        self._seat = seat
        self._directory = directory
        self._snapshots = snapshots
        self._sources = sources
        self._jobs = jobs
        self._settings = settings
        self._assigner = assigner
        self._agents = agents
        self._keys = keys
        self._open_job_node = open_job_node

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT),)

    async def run(self, run: JobRun) -> Finish:
        request = msgspec.json.decode(run.job.request, type=RestoreJob)
        self._keys.expect(run.job.id)
        try:
            outcome = stored_outcome(run) or await self._agents_part(run, request)
            finish = await self._conclude(run, raise_failure(outcome))
        except asyncio.CancelledError:
            raise  # The core stops; the lease stays for when the job is picked up again.
        except BaseException:
            await self._release(run)
            raise
        finally:
            self._keys.drop(run.job.id)
        await self._release(run)
        return finish

    async def _agents_part(self, run: JobRun, request: RestoreJob) -> ReportBody:
        picked_up = run.resumed and bool(run.job.lease)
        if not picked_up:
            async with run.step("WF6.1") as step:
                step.detail = f"by {run.job.requested_by}"
            async with run.step("WF6.2") as step:
                step.detail = f"{self._directory.name_of(run.job.agent_id)} is connected"
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
                lease = self._assigner.new_lease()
                await self._assigner.open(vault, lease, run.job.id, request.agent_id, SnapshotId(request.snapshot_id))
                await run.update(lease=lease)
            grant = await self._grant(run, vault, snapshot, request)
            needed = f"{amount(grant.files, 'file')} in {amount(len(grant.packs), 'pack')}"
            step.detail = f"snapshot {snapshot.id[:12]} of {snapshot.created_at:%Y-%m-%d %H:%M:%S} UTC: {needed}"

        async def make_order() -> RestoreOrder:
            return self._order(run, vault, snapshot, request)

        return await agents_outcome(run, self._agents, make_order)

    async def _grant(self, run: JobRun, vault: OpenVault, snapshot: SnapshotRow, request: RestoreJob) -> Grant:
        paths = tuple(parse_shown(path) for path in request.paths)

        def plan() -> Grant:
            copies = partial(self._copies, run, vault, snapshot.server_id)
            grant = plan_grant(
                vault,
                snapshot,
                paths,
                run.stop,
                copies,
                request.agent_id,
                trusted=not run.job.requested_by.startswith(AGENT_ASKS),
            )
            packs = grant.packs
            for start in range(0, len(packs), GRANT_BATCH):
                vault.node.grant(run.job.id, packs[start : start + GRANT_BATCH])
            trim_memory()
            return grant

        try:
            grant = await run.in_thread(plan)
        except PathNotInSnapshot as error:
            raise await self._sources.path_missing(error, snapshot, vault, request.paths) from error
        self._keys.grant(run.job.id, grant)
        if grant.opened_blocks:
            await run.note(
                f"The vault has no space for copies, so the agent can read {amount(len(grant.opened_blocks), 'block')} "
                "that other servers' data shares.",
                "warning",
            )
        for path, reason in grant.unreadable[:100]:
            await run.note(f"{path} can't be read from the vault ({reason_text(reason)}).", "warning")
        return grant

    @contextmanager
    def _copies(self, run: JobRun, vault: OpenVault, server_id: str) -> Iterator[PackTarget]:
        """Takes packs in the name of the snapshot's server, under the restore's own lease."""

        def token() -> str:
            return self._assigner.token(vault, run.job.id, server_id, run.job.lease, CORE)

        node = self._open_job_node(token())
        try:
            yield _FreshTarget(node, token)
        finally:
            node.close()

    def _order(self, run: JobRun, vault: OpenVault, snapshot: SnapshotRow, request: RestoreJob) -> RestoreOrder:
        keys = vault.key.domain_keys(snapshot.domain, snapshot.epoch)
        return RestoreOrder(
            job=run.job.id,
            server_id=snapshot.server_id,
            domain=DomainAccess(
                domain=keys.domain,
                epoch=keys.epoch,
                data_id_key=keys.data_id_key,
                meta_id_key=keys.meta_id_key,
                index_key=b"",
                chunker_seed=0,
            ),
            storage=self._assigner.access(
                vault, run.job.id, request.agent_id, run.job.agent_id, run.job.lease, RESTORE
            ),
            snapshot_id=snapshot.id,
            root=snapshot.root,
            paths=tuple(parse_shown(path) for path in request.paths),
            destination=parse_shown(request.destination),
            conflict=request.conflict,
            check_only=request.check_only,
            workers=self._settings.whole("restore.workers"),
        )

    async def _conclude(self, run: JobRun, outcome: ReportBody) -> Finish:
        if not isinstance(outcome, RestoreResult):
            raise JobAborted(detail=f"The agent answered a restore with {type(outcome).__name__}")
        await self._jobs.set_files(run.job.id, "missing", file_pairs(outcome.missing))
        await self._jobs.set_files(run.job.id, "note", file_pairs(outcome.displaced + outcome.not_applied))
        request = msgspec.json.decode(run.job.request, type=RestoreJob)
        return Finish(
            state=JobState.SUCCESSFUL_WITH_ERRORS if outcome.missing_count else JobState.SUCCESSFUL,
            result=numbers(outcome, without=("missing", "missing_count", "not_applied", *_DISPLACED))
            | _displaced(outcome),
            snapshot_id=request.snapshot_id,
            missing_count=outcome.missing_count,
        )

    async def _release(self, run: JobRun) -> None:
        vault = self._seat.opened
        if vault is not None:
            await self._assigner.close(vault, run.job.lease)


class _FreshTarget:
    """Stores each pack with a token of its own, since copying may outlast one."""

    def __init__(self, node: JobNode, token: Callable[[], str]) -> None:
        self._node = node
        self._token = token

    def put_pack(self, pack_id: PackId, fd: int, length: int) -> None:
        self._node.use_token(self._token())
        self._node.put_pack(pack_id, fd, length)


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
