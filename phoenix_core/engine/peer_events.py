"""What peers say over the agent link, and what the engine makes of it."""

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from phoenix_core.agentlink import features
from phoenix_core.agentlink.ca import IssuedCertificate
from phoenix_core.agentlink.certificates import PeerIdentity
from phoenix_core.agentlink.directions import Answered, Asked
from phoenix_core.agentlink.growinggrant import GrantAnswer, GrantRequest
from phoenix_core.agentlink.hub import Greeting
from phoenix_core.agentlink.messages import (
    Hello,
    JobKnown,
    KeysAnswer,
    KeysRequest,
    TokenAnswer,
    TokenRequest,
)
from phoenix_core.agentlink.ownstream import OwnStreamRequest
from phoenix_core.agentlink.reports import (
    BackupResult,
    EstimateReport,
    JobCancelled,
    JobFailed,
    LogReport,
    Progress,
    Report,
    ReportBody,
    RestoreResult,
    StepReport,
)
from phoenix_core.agentlink.ruletest import RuleTestPage
from phoenix_core.agentlink.upgradeorder import UpgradeNoted, UpgradeOutcome
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow, Result
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import NotFound, PhoenixError
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.assignment import BACKUP, RESTORE, StorageAssigner
from phoenix_core.engine.enrolment import certificate_row
from phoenix_core.engine.errors import GrantGrows, NotOfThisJob
from phoenix_core.engine.key_desk import KeyDesk
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.own_restores import OwnRestores
from phoenix_core.engine.own_streams import OwnStreams
from phoenix_core.engine.peer_directory import AGENT, PeerDirectory
from phoenix_core.engine.policies.rule_tests import RuleTests
from phoenix_core.engine.progress import ProgressBoard
from phoenix_core.engine.queue import JobQueue
from phoenix_core.engine.upgrades import Upgrades
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.workflows.agent_step import encode_outcome

log = structlog.get_logger(__name__)

_OUTCOMES = (BackupResult, RestoreResult, JobFailed, JobCancelled)


class PeerConversation:
    """Implements `agentlink.hub.PeerEvents`. The hub has checked the certificate that names the peer."""

    def __init__(
        self,
        directory: PeerDirectory,
        agents: AgentJobs,
        jobs: Jobs,
        ledger: Ledger,
        progress: ProgressBoard,
        queue: JobQueue,
        keys: KeyDesk,
        seat: VaultSeat,
        assigner: StorageAssigner,
        rule_tests: RuleTests,
        upgrades: Upgrades,
        own_streams: OwnStreams,
        own_restores: OwnRestores,
        changed: Callable[[str], None],
        clock: Clock,
    ) -> None:
        """`changed` gets the id of a peer whose view changed."""
        self._directory = directory
        self._agents = agents
        self._jobs = jobs
        self._ledger = ledger
        self._progress = progress
        self._queue = queue

        self._keys = keys
        self._seat = seat
        self._assigner = assigner
        self._rule_tests = rule_tests
        self._upgrades = upgrades
        self._own_streams = own_streams
        self._own_restores = own_restores
        self._changed = changed
        self._clock = clock

    # --- coming and going --------------------------------------------------------------------------------------------

    def is_allowed(self, peer_id: str, serial: str) -> bool:
        return self._directory.is_allowed(peer_id, serial)

    async def greet(self, peer: PeerIdentity, hello: Hello) -> Greeting:
        vault = self._seat.opened
        name = self._directory.name_of(peer.peer_id)
        if vault is None:
            return Greeting(name)
        return Greeting(name, vault.chain.last, vault.vault_id)

    async def on_connect(self, peer: PeerIdentity, hello: Hello) -> None:
        peer_id = peer.peer_id
        self._agents.can(peer_id, hello.features)
        self._upgrades.connected(peer_id, hello.version)
        await self._directory.connect(peer_id, self._clock.now(), hello.hostname, hello.platform, hello.version)
        if peer.role == AGENT:
            await self._settle_jobs(peer_id, hello.running_jobs)
            self._agents.connected(peer_id, hello.running_jobs, hello.dialled)
            self._queue.poke()
        self._changed(peer_id)

    async def _settle_jobs(self, peer_id: str, named: tuple[str, ...]) -> None:
        """Tell the agent which of the jobs that it works on are still wanted."""
        running = [job.id for job in await self._jobs.in_states([JobState.RUNNING]) if job.agent_id == peer_id]
        try:
            await self._agents.send(peer_id, JobKnown(wanted=tuple(job for job in named if job in running)))
        except PhoenixError as error:
            log.info("the agent went at once", peer=peer_id, error=error.code)

    async def on_disconnect(self, peer: PeerIdentity) -> None:
        await self._directory.disconnect(peer.peer_id, self._clock.now())
        self._agents.disconnected(peer.peer_id)
        self._rule_tests.disconnected(peer.peer_id)
        self._changed(peer.peer_id)

    async def on_certificate(self, peer: PeerIdentity, certificate: IssuedCertificate) -> None:
        await self._directory.add_certificate(certificate_row(peer.peer_id, certificate))

    # --- telling -----------------------------------------------------------------------------------------------------

    def on_progress(self, peer: PeerIdentity, progress: Progress) -> None:
        work = self._agents.get(progress.job)
        if work is not None and work.peer_id == peer.peer_id:
            work.sign_of_life()
            self._progress.update(progress)

    async def on_report(self, peer: PeerIdentity, report: Report) -> None:
        """Bring a report into the catalog; on return it is acknowledged. One seen before, or on a job that isn't this
        peer's or is over, is dropped: the peer must not send it for ever."""
        try:
            job = await self._ledger.job(report.job)
        except NotFound:
            log.warning("a report on an unknown job", peer=peer.peer_id, job=report.job)
            return
        if job.agent_id != peer.peer_id:
            log.warning("a report on a job of another", peer=peer.peer_id, job=report.job)
            return
        if report.number <= job.last_report:
            return
        if job.state.is_final:
            if isinstance(report.body, LogReport):  # of a script after the backup
                await self._keep(job, report.number, report.body)
            return
        work = self._agents.get(job.id)
        if work is not None:
            work.sign_of_life()
        await self._keep(job, report.number, report.body)
        work = self._agents.get(job.id)  # one that was taken up meanwhile looked at the catalog too early
        if work is not None and isinstance(report.body, _OUTCOMES):
            work.reported(report.body)

    async def _keep(self, job: JobRow, number: int, body: ReportBody) -> None:
        """One transaction each: what the report says, and that it was seen."""
        if isinstance(body, StepReport):
            await self._ledger.record_step(
                job.id, body.step, body.state, detail=body.detail, at=_time(body.at_ns), report=number
            )
        elif isinstance(body, LogReport):
            await self._ledger.note(job.id, body.text, body.level, _time(body.at_ns), number)
        elif isinstance(body, EstimateReport):
            result = job.result | _estimated(body)
            await self._ledger.update(job.id, result=result, last_report=number)
        else:
            await self._ledger.update(job.id, tell=False, outcome=encode_outcome(body), last_report=number)

    # --- asking ------------------------------------------------------------------------------------------------------

    async def on_request(self, peer: PeerIdentity, request: Asked) -> Answered:
        try:
            if isinstance(request, KeysRequest | GrantRequest):
                return await self._answer_keys(peer.peer_id, request)
            if isinstance(request, TokenRequest):
                return await self._answer_token(peer.peer_id, request)
            if isinstance(request, RuleTestPage):
                return await self._rule_tests.page(peer.peer_id, request)
            if isinstance(request, UpgradeOutcome):
                self._upgrades.outcome(peer.peer_id, request)
                return UpgradeNoted(number=request.number)
            if isinstance(request, OwnStreamRequest):
                return await self._own_streams.answer(peer.peer_id, request)
            return await self._own_restores.answer(peer.peer_id, request)
        except GrantGrows:  # the agent asks again
            raise
        except PhoenixError as error:
            log.warning("a peer's request was refused", peer=peer.peer_id, error=error.code, text=error.message)
            raise

    async def _answer_keys(self, peer_id: str, request: KeysRequest | GrantRequest) -> KeysAnswer | GrantAnswer:
        job = await self._running(peer_id, request.job)
        if isinstance(request, GrantRequest):
            step, is_whole = await self._keys.grown(job, request.seen)
            return GrantAnswer(number=request.number, step=step, is_whole=is_whole)
        asks_again = self._agents.knows(peer_id, features.GROWING_GRANT)
        keys = await self._keys.keys(self._seat.get(), job, request.blocks, asks_again=asks_again)
        return KeysAnswer(number=request.number, keys=keys)

    async def _answer_token(self, peer_id: str, request: TokenRequest) -> TokenAnswer:
        job = await self._running(peer_id, request.job)
        rights, server_id = (BACKUP, job.server_id) if job.kind is JobKind.FILE_BACKUP else (RESTORE, job.agent_id)
        token = self._assigner.token(self._seat.get(), job.id, server_id, job.lease, rights)
        return TokenAnswer(number=request.number, token=token)

    async def _running(self, peer_id: str, job_id: str) -> JobRow:
        job = await self._ledger.job_of(peer_id, job_id)
        if job.state is not JobState.RUNNING or job.cancelled_by:
            raise NotOfThisJob(job=job_id, detail=f"it is {'cancelled' if job.cancelled_by else job.state}")
        return job


def _estimated(estimate: EstimateReport) -> Result:
    return {
        "estimated_files": estimate.files,
        "estimated_directories": estimate.directories,
        "estimated_bytes": estimate.bytes,
        "estimated_data_bytes": estimate.data_bytes,
        "estimated_changed_files": estimate.changed_files,
        "estimated_changed_bytes": estimate.changed_bytes,
        "estimated_s": estimate.seconds,
    }


def _time(time_ns: int) -> datetime | None:
    return datetime.fromtimestamp(time_ns / 1e9, UTC) if time_ns > 0 else None
