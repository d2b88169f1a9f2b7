"""A restore drill: an agent restores a sample of a snapshot to a scratch place and checks it; the proof is kept.

It goes the way of WF6, through lease, grant, keys and the agent's restore; what came out is then checked by itself.
"""

from datetime import datetime
from functools import partial

import msgspec

from phoenix_core.agentlink import features
from phoenix_core.agentlink.drillmessages import SCRATCH_DESTINATION, DrillFindings, DrillTerms
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import ReportBody, RestoreResult
from phoenix_core.catalog.drills import Drills
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import DrillRow, JobRow, Result, SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.amounts import amount, size
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.drills import DrillOutcome, Sample
from phoenix_core.domain.errors import Cancelled, NotFound, PhoenixError
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.reasons import reason_text
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.catalog_patience import once_there_is_space
from phoenix_core.engine.claims import VAULT, Claim, drills_of
from phoenix_core.engine.drills.errors import AgentWithoutDrills, DrillAway, DrillFailed
from phoenix_core.engine.drills.sample import Chosen, choose
from phoenix_core.engine.errors import JobAborted, SnapshotLost
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.requests import RestoreDrillJob
from phoenix_core.engine.restore_access import RestoreAccess
from phoenix_core.engine.servers import ServerNews
from phoenix_core.engine.sources import Sources
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.engine.workflow import Finish, JobRun, Workflow
from phoenix_core.engine.workflows.agent_step import raise_failure, stored_outcome
from phoenix_core.engine.workflows.beside_grant import Beginning, beside_grant, may_begin_early

FAILURES_KEPT = 100


class RestoreDrill(Workflow):
    kind = JobKind.RESTORE_DRILL
    resumable = True
    plan = (
        ("WF6.2", "Make sure that the agent is running"),
        ("sample", "Choose what to restore"),
        ("WF2.2", "Validate the request and assign storage"),
        ("WF6.3", "Make the scratch place"),
        ("WF6.4", "Check the free space"),
        ("WF6.5", "Determine the file set"),
        ("WF6.6", "Restore"),
        ("check", "Compare every byte with the snapshot"),
    )

    def __init__(
        self,
        seat: VaultSeat,
        directory: PeerDirectory,
        snapshots: Snapshots,
        sources: Sources,
        jobs: Jobs,
        drills: Drills,
        agents: AgentJobs,
        access: RestoreAccess,
        news: ServerNews,
        clock: Clock,
    ) -> None:
        self._seat = seat
        self._directory = directory
        self._snapshots = snapshots
        self._sources = sources
        self._jobs = jobs
        self._drills = drills
        self._agents = agents
        self._access = access
        self._news = news
        self._clock = clock

    def claims(self, job: JobRow) -> tuple[Claim, ...]:
        return (Claim(VAULT), Claim(drills_of(job.server_id), exclusive=True))

    def skipped_without_agent(self, job: JobRow) -> PhoenixError | None:
        if not _request(job).scheduled:
            return None
        names = {"server": job.agent_id, "source": job.server_id}
        return DrillAway(**{name: self._directory.name_of(peer_id) for name, peer_id in names.items()})

    async def run(self, run: JobRun) -> Finish:
        async with self._access.held(run):
            try:
                outcome = stored_outcome(run) or await self._agents_part(run, _request(run.job))
                restored = raise_failure(outcome)
            except SnapshotLost as error:
                await self._record(run, DrillOutcome.FAILED, detail=error.message)
                raise
            except PhoenixError as error:
                by = run.cancelled_by if isinstance(error, Cancelled) else ""
                await self._record(run, DrillOutcome.BROKEN_OFF, detail=f"Cancelled by {by}." if by else error.message)
                raise
            return await self._conclude(run, restored)

    async def _agents_part(self, run: JobRun, request: RestoreDrillJob) -> ReportBody:
        picked_up = run.resumed and bool(run.job.lease)
        if not picked_up:
            async with run.step("WF6.2") as step:
                self._check_agent(request.agent_id)
                step.detail = f"{self._directory.name_of(request.agent_id)} is connected"
        async with run.step("sample") as step:
            vault = self._seat.get()
            snapshot = await self._snapshot(run, request)
            if not picked_up:
                await self._access.open(run, vault, snapshot, request.agent_id)
            chosen = await self._chosen(run, vault, snapshot, request)
            taken = f"snapshot {snapshot.id[:SHORT_ID_DIGITS]} of {snapshot.created_at:%Y-%m-%d %H:%M:%S} UTC"
            step.detail = f"{taken}: {_chosen_text(chosen)}"
        agent_id, grows = request.agent_id, may_begin_early(run, self._agents)

        async def grant(beginning: Beginning) -> None:
            begun = partial(beginning.give, vault, snapshot)
            async with run.step("WF2.2") as step:
                grant = await self._access.grant(
                    run, vault, snapshot, chosen.paths, agent_id, begun=begun if grows else None
                )
                step.detail = f"{amount(grant.files, 'file')} in {amount(len(grant.packs), 'pack')}"
            begun()

        async def make_order(vault: OpenVault, snapshot: SnapshotRow) -> RestoreOrder:
            order = self._access.order(
                run, vault, snapshot, chosen.paths, SCRATCH_DESTINATION, agent_id, grows=grows, gives_way=True
            )
            return msgspec.structs.replace(order, drill=DrillTerms(sample=sample_text(request.sample)))

        return await beside_grant(run, self._agents, grant, make_order)

    def _check_agent(self, agent_id: str) -> None:
        peer = self._directory.server_in_use(agent_id)
        if not self._agents.knows(agent_id, features.RESTORE_DRILL):
            raise AgentWithoutDrills(server=peer.name, version=peer.version)

    async def _snapshot(self, run: JobRun, request: RestoreDrillJob) -> SnapshotRow:
        """Which one is recorded first of all: what keeps it from being restored is about it."""
        wanted = run.job.snapshot_id or request.snapshot_id
        snapshot = await self._snapshots.get(wanted) if wanted else await self._sources.newest(request.server_id)
        if snapshot is None:
            raise NotFound(what="snapshot", name=wanted[:SHORT_ID_DIGITS])
        taken = snapshot.created_at.isoformat(timespec="seconds")
        facts: Result = {"snapshot_at": taken, "sample": sample_text(request.sample), "seed": request.seed}
        await run.update(snapshot_id=snapshot.id, result=facts)
        await self._sources.check(snapshot)
        return snapshot

    async def _chosen(self, run: JobRun, vault: OpenVault, snapshot: SnapshotRow, request: RestoreDrillJob) -> Chosen:
        chosen = await run.in_thread(lambda: choose(vault, snapshot, request.sample, request.seed, run.stop))
        if chosen.too_large:
            await run.note(f"{amount(chosen.too_large, 'file')} would not have fitted into the sample's bytes.")
        return chosen

    async def _conclude(self, run: JobRun, outcome: ReportBody) -> Finish:
        if not isinstance(outcome, RestoreResult) or outcome.drill is None:
            await self._record(run, DrillOutcome.BROKEN_OFF, detail="The agent restored, and checked nothing.")
            raise JobAborted(detail="The agent restored, and checked nothing")
        found = outcome.drill
        failures = [(each.path, each.what) for each in found.failures]
        await self._jobs.set_files(run.job.id, "missing", failures)
        await self._jobs.set_files(run.job.id, "note", [(each.path, each.what) for each in found.not_carried])
        numbers: Result = {
            "files": found.files,
            "bytes": found.bytes,
            "others": found.others,
            "failures": found.failure_count,
            "not_carried": found.not_carried_count,
            "check_s": found.seconds,
            "fetched_bytes": outcome.fetched_bytes,
        }
        result = run.job.result | numbers
        await run.update(result=result, missing_count=found.failure_count)
        await self._record(run, DrillOutcome.FAILED if found.failure_count else DrillOutcome.PROVED, found)
        if found.failure_count:
            first = f"{failures[0][0]} ({reason_text(failures[0][1])})" if failures else "a path too long to name"
            raise DrillFailed(
                snapshot=run.job.snapshot_id[:SHORT_ID_DIGITS],
                server=self._directory.name_of(run.job.server_id),
                count=found.failure_count,
                first=first,
                job=run.job.id,
            )
        return Finish(result=result, snapshot_id=run.job.snapshot_id)

    async def _record(
        self, run: JobRun, outcome: DrillOutcome, found: DrillFindings | None = None, *, detail: str = ""
    ) -> None:
        """What came of it, for good. Where no snapshot was chosen yet there is nothing to record."""
        job, request, found = run.job, _request(run.job), found or DrillFindings()
        taken = job.result.get("snapshot_at")
        if not job.snapshot_id or not isinstance(taken, str):
            return
        snapshot = await self._snapshots.get(job.snapshot_id)
        row = DrillRow(
            id=job.id,
            server_id=job.server_id,
            server_name=snapshot.server_name if snapshot else self._directory.name_of(job.server_id),
            agent_name=self._directory.name_of(job.agent_id),
            snapshot_id=job.snapshot_id,
            snapshot_at=datetime.fromisoformat(taken),
            ended_at=self._clock.now(),
            outcome=outcome,
            requested_by=job.requested_by,
            sample=sample_text(request.sample),
            seed=request.seed,
            files=found.files,
            bytes=found.bytes,
            others=found.others,
            failure_count=found.failure_count,
            failures=tuple((each.path, each.what) for each in found.failures[:FAILURES_KEPT]),
            not_carried_count=found.not_carried_count,
            detail=detail,
        )
        await once_there_is_space(lambda: self._drills.put(row))
        self._news.changed(job.server_id)


def _request(job: JobRow) -> RestoreDrillJob:
    return msgspec.json.decode(job.request, type=RestoreDrillJob)


def sample_text(sample: Sample) -> str:
    if sample.is_all:
        return "all"
    limit = f", at most {size(sample.bytes)}" if sample.bytes else ""
    return f"{amount(sample.files, 'file')}{limit}"


def _chosen_text(chosen: Chosen) -> str:
    if not chosen.paths:
        return "all of it"
    text = f"{chosen.files} of {amount(chosen.seen, 'file')}, {size(chosen.bytes)}"
    unreadable = amount(chosen.unreadable, "folder")
    return f"{text}, and {unreadable} that can't be read" if chosen.unreadable else text
