"""Takes requests for restore drills: checks what can be checked at once, and queues a job."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from phoenix_core.catalog.jobs import ACTIVE
from phoenix_core.catalog.rows import JobRow, PeerRow
from phoenix_core.domain.drills import DrillRequest, parse_sample
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.policies import BackupPolicy
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.drills.errors import BadSample, DrillMissed
from phoenix_core.engine.errors import PlatformMismatch
from phoenix_core.engine.families import family_of
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.queue import JobQueue
from phoenix_core.engine.requests import POLICY_ASKS, RestoreDrillJob
from phoenix_core.engine.sources import LATEST, Source, Sources
from phoenix_core.engine.vault import VaultSeat


class DrillDesk:
    def __init__(
        self,
        seat: VaultSeat,
        directory: PeerDirectory,
        sources: Sources,
        attached: Attached,
        ledger: Ledger,
        queue: JobQueue,
        new_seed: Callable[[], str],
    ) -> None:
        """`new_seed`: another text each time, from which a sample is chosen at random."""
        self._seat = seat
        self._directory = directory
        self._sources = sources
        self._attached = attached
        self._ledger = ledger
        self._queue = queue
        self._new_seed = new_seed

    async def run(self, request: DrillRequest, who: str) -> JobRow:
        """By hand. Raises BadSample, NotFound, PlatformMismatch, …"""
        self._seat.get()
        source = await self._sources.server(request.server)
        policy = (await self._attached.policies_by_server()).get(source.id) or BackupPolicy(name="")
        target = self._target(source, request.on or policy.drill_on)
        snapshot = await self._sources.snapshot(request.snapshot, source.id)
        try:
            max_bytes = policy.drill_max_bytes if request.max_bytes < 0 else request.max_bytes
            sample = parse_sample(request.sample or policy.drill_sample, max_bytes)
        except ValueError as error:
            raise BadSample(detail=error) from error
        job = RestoreDrillJob(
            server_id=source.id,
            agent_id=target.id,
            snapshot_id="" if request.snapshot == LATEST else snapshot.id,
            sample=sample,
            seed=self._new_seed(),
        )
        return await self._create(source, target, job, who)

    async def scheduled(
        self, server_id: str, policy: BackupPolicy, job_id: str, left_out: datetime | None = None
    ) -> JobRow:
        """As the policy's schedule asks for; the job that is there, where it was made before or the one before isn't
        over. Where it can't begin it is skipped, and says why; a snapshot that is lost is no reason, but what the drill
        finds. So is one that is `left_out`: when it was due, where no missed one is made up for. Raises what passes by
        itself, as of a vault that is locked."""
        active = await self._ledger.jobs.listed(states=ACTIVE, server_id=server_id, kind=JobKind.RESTORE_DRILL)
        under_way = next((job for job in active if job.server_id == server_id), None)
        known = under_way or await self._ledger.jobs.get(job_id)
        if known is not None:
            return known
        source = await self._sources.server(server_id)
        job = RestoreDrillJob(
            server_id=server_id,
            agent_id=server_id,
            sample=parse_sample(policy.drill_sample, policy.drill_max_bytes),
            seed=self._new_seed(),
            scheduled=True,
        )
        target = self._directory.server(server_id)
        why: PhoenixError | None = None
        if left_out is not None:
            due = f"{left_out:%Y-%m-%d %H:%M} UTC"
            why = DrillMissed(server=source.name, due=due, policy=policy.name, job=job_id)
        else:
            try:
                self._seat.get()
                target = self._target(source, policy.drill_on)
                await self._sources.newest(server_id)
            except PhoenixError as error:
                if error.retryable:
                    raise
                why = error
        job = msgspec.structs.replace(job, agent_id=target.id)
        return await self._create(source, target, job, POLICY_ASKS + policy.name, job_id=job_id, why=why)

    def _target(self, source: Source, on: str) -> PeerRow:
        target = self._directory.server_in_use(on or source.id)
        if source.platform and family_of(source.platform) != family_of(target.platform):
            raise PlatformMismatch(
                server=source.name, source=source.platform, to_server=target.name, target=target.platform
            )
        return target

    async def _create(
        self,
        source: Source,
        target: PeerRow,
        job: RestoreDrillJob,
        who: str,
        *,
        job_id: str = "",
        why: PhoenixError | None = None,
    ) -> JobRow:
        title = f"Restore drill of {source.name}" + (f" on {target.name}" if target.id != source.id else "")
        made = await self._ledger.create(
            JobKind.RESTORE_DRILL,
            title,
            msgspec.json.encode(job).decode(),
            self._queue.plan_of(JobKind.RESTORE_DRILL),
            who,
            server_id=source.id,
            agent_id=target.id,
            job_id=job_id,
            skipped=why.view() if why else None,
        )
        self._queue.poke()
        return made
