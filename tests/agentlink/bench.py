"""A core's link over real TLS on loopback, and a peer at it, with doubles only for the engine and for the agent."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import ClientWSTimeout, web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core import __version__
from phoenix_core.agentlink import activation, frames
from phoenix_core.agentlink.activation import ActivationToken, secret_hash
from phoenix_core.agentlink.backoff import Backoff
from phoenix_core.agentlink.ca import CertificateAuthority, IssuedCertificate
from phoenix_core.agentlink.certificates import PeerIdentity, key_pem, make_request
from phoenix_core.agentlink.connection import Order
from phoenix_core.agentlink.dial import CONNECT_PATH, http_session
from phoenix_core.agentlink.directions import Answered, Asked, FromCore
from phoenix_core.agentlink.enrol import Enrolment, EnrolRequest, enrol
from phoenix_core.agentlink.enrolment import EnrolmentService, Grant
from phoenix_core.agentlink.errors import TokenExpired, TokenForged, TokenForOtherRole, TokenUsed
from phoenix_core.agentlink.growinggrant import GrantAnswer, GrantRequest
from phoenix_core.agentlink.hub import Greeting, Hub
from phoenix_core.agentlink.link import Link
from phoenix_core.agentlink.messages import (
    Hello,
    KeysAnswer,
    KeysRequest,
    OwnRestoreAnswer,
    OwnRestoreRequest,
    Refused,
    TokenAnswer,
    TokenRequest,
    Welcome,
)
from phoenix_core.agentlink.ownrestore import OwnJobAnswer, OwnJobRequest, OwnSnapshotsAnswer, OwnSnapshotsRequest
from phoenix_core.agentlink.ownstream import OwnStreamAnswer, OwnStreamRequest
from phoenix_core.agentlink.peerstate import PeerFile, PeerState
from phoenix_core.agentlink.reports import LogReport, Progress, Report
from phoenix_core.agentlink.ruletest import RuleTestAnswer, RuleTestPage
from phoenix_core.agentlink.served import SERVED_PROTOCOLS
from phoenix_core.agentlink.upgradeorder import UpgradeNoted, UpgradeOutcome
from phoenix_core.domain.clock import SystemClock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.host.process import HostFacts

FACTS = HostFacts(hostname="web1", platform="Linux x86_64, Test 1", machine_id="0" * 32)


class ShiftedClock(SystemClock):
    """The real time, moved."""

    def __init__(self, shift: timedelta = timedelta()) -> None:
        self.shift = shift

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift


class Changes:
    """Lets tests wait until something that they can see has happened."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()

    async def note(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition: object, timeout_s: float = 10.0) -> None:
        assert callable(condition)
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)


class EngineDouble:
    """Stands for the engine: tokens, peers, certificates in memory, and a protocol of what happened."""

    def __init__(self, ca: CertificateAuthority) -> None:
        self.ca = ca
        self.tokens: dict[str, tuple[str, datetime, str]] = {}
        self.used: dict[str, datetime] = {}
        self.serials: dict[str, set[str]] = {}
        self.certificates: list[IssuedCertificate] = []
        self.connects: list[tuple[str, Hello]] = []
        self.disconnects: list[str] = []
        self.reports: list[Report] = []
        self.latest: dict[str, Progress] = {}
        self.requests: list[Asked] = []
        self.changes = Changes()
        self.report_error: Exception | None = None
        self.greet_error: PhoenixError | None = None
        self.hold_reports = asyncio.Event()
        self.hold_reports.set()
        self.reports_begun = 0
        self.hold_requests = asyncio.Event()
        self.hold_requests.set()
        self._numbers = iter(range(1, 100_000))

    def make_token(
        self, url: str, *, role: str = "agent", valid: timedelta = timedelta(hours=1), name: str = ""
    ) -> ActivationToken:
        token = activation.new_token([url], self.ca.fingerprint)
        self.tokens[secret_hash(token.secret)] = (role, datetime.now(UTC) + valid, name)
        return token

    # Enroller

    async def redeem(self, secret_hash: str, request: EnrolRequest) -> Grant:
        if secret_hash not in self.tokens:
            raise TokenForged()
        role, ends_at, name = self.tokens[secret_hash]
        if ends_at <= datetime.now(UTC):
            raise TokenExpired(ended=ends_at.isoformat())
        if role != request.role:
            raise TokenForOtherRole(granted=role, wanted=request.role)
        if secret_hash in self.used:
            raise TokenUsed(used=self.used[secret_hash].isoformat())
        self.used[secret_hash] = datetime.now(UTC)
        return Grant(peer_id=f"s{next(self._numbers)}", name=name or request.hostname, role=role)

    async def enrolled(self, grant: Grant, request: EnrolRequest, certificate: IssuedCertificate) -> None:
        self.serials.setdefault(grant.peer_id, set()).add(certificate.serial)
        self.certificates.append(certificate)

    # PeerEvents

    def is_allowed(self, peer_id: str, serial: str) -> bool:
        return serial in self.serials.get(peer_id, set())

    async def greet(self, peer: PeerIdentity, hello: Hello) -> Greeting:
        if self.greet_error is not None:
            raise self.greet_error
        return Greeting(name=hello.hostname, last_record=7)

    async def on_connect(self, peer: PeerIdentity, hello: Hello) -> None:
        self.connects.append((peer.peer_id, hello))
        await self.changes.note()

    async def on_disconnect(self, peer: PeerIdentity) -> None:
        self.disconnects.append(peer.peer_id)
        await self.changes.note()

    def on_progress(self, peer: PeerIdentity, progress: Progress) -> None:
        self.latest[progress.job] = progress
        self._notes = asyncio.create_task(self.changes.note())

    async def on_report(self, peer: PeerIdentity, report: Report) -> None:
        self.reports_begun += 1
        await self.changes.note()
        await self.hold_reports.wait()
        if self.report_error is not None:
            raise self.report_error
        self.reports.append(report)
        await self.changes.note()

    async def on_request(self, peer: PeerIdentity, request: Asked) -> Answered:
        self.requests.append(request)
        await self.changes.note()
        await self.hold_requests.wait()
        match request:
            case KeysRequest():
                return KeysAnswer(number=0, keys=tuple(bytes([block.ordinal]) * 32 for block in request.blocks))
            case TokenRequest():
                return TokenAnswer(number=0, token=f"token of {request.job}")
            case OwnRestoreRequest():
                return OwnRestoreAnswer(number=0, job="j1")
            case RuleTestPage():
                return RuleTestAnswer(number=0, go_on=request.page < 3)
            case UpgradeOutcome():
                return UpgradeNoted(number=0)
            case OwnStreamRequest():
                return OwnStreamAnswer(number=0, job="j1", state="successful", is_over=True)
            case GrantRequest():
                return GrantAnswer(number=0, step=request.seen + 1, is_whole=True)
            case OwnSnapshotsRequest():
                return OwnSnapshotsAnswer(number=0)
            case OwnJobRequest():
                return OwnJobAnswer(number=0, job=request.job, state="successful", is_over=True)

    async def on_certificate(self, peer: PeerIdentity, certificate: IssuedCertificate) -> None:
        self.serials[peer.peer_id].add(certificate.serial)
        self.certificates.append(certificate)
        await self.changes.note()


class AgentDouble:
    """Stands for the agent behind a link."""

    def __init__(self) -> None:
        self.jobs: list[str] = []
        self.orders: list[Order] = []
        self.welcomes: list[Welcome] = []
        self.failures: list[PhoenixError] = []
        self.changes = Changes()

    def running_jobs(self) -> Iterable[str]:
        return self.jobs

    async def on_connect(self, welcome: Welcome) -> None:
        self.welcomes.append(welcome)
        await self.changes.note()

    async def on_order(self, order: Order) -> None:
        self.orders.append(order)
        await self.changes.note()

    async def on_disconnect(self, reason: PhoenixError) -> None:
        self.failures.append(reason)
        await self.changes.note()


class CoreBench:
    """A core's port: enrolment and hub. `stop` and `start` again keep the port, as a restart of the core does."""

    def __init__(self, ca: CertificateAuthority, *, heartbeat_s: float = 5.0) -> None:
        self.ca = ca
        self.engine = EngineDouble(self.ca)
        self.heartbeat_s = heartbeat_s
        self.certificate_days = 90.0
        self.version = __version__
        self.protocols = SERVED_PROTOCOLS
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.hub = Hub(
            self.engine,
            self.ca,
            heartbeat_s=self.heartbeat_s,
            certificate_days=lambda: self.certificate_days,
            version=self.version,
            protocols=self.protocols,
        )
        app = web.Application()
        self.hub.add_routes(app)
        EnrolmentService(self.ca, self.engine, certificate_days=lambda: self.certificate_days).add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner,
            "127.0.0.1",
            self.port,
            ssl_context=await asyncio.to_thread(lambda: self.ca.server_files().server_context()),
            reuse_address=True,
        )
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        await self.hub.stop()
        await self._runner.cleanup()

    async def kill(self) -> None:
        """End as by SIGKILL: connections break, and what was in hand is never acknowledged."""
        assert self._runner is not None
        assert self._runner.server is not None
        self.engine.report_error = ConnectionError("killed")
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        self.engine.hold_reports.set()
        await self.stop()
        self.engine.report_error = None

    async def enrol(self, state_dir: Path, *, role: str = "agent", url: str = "") -> Enrolment:
        token = self.engine.make_token(url or self.url, role=role)
        return await enrol(
            token, state_dir, role, hostname=FACTS.hostname, platform=FACTS.platform, machine_id=FACTS.machine_id
        )

    def enrol_directly(self, state_dir: Path, peer_id: str) -> None:
        """Without a token, where many peers are wanted. Blocks."""
        key = Ed25519PrivateKey.generate()
        issued = self.ca.issue(make_request(key), "agent", peer_id)
        self.engine.serials[peer_id] = {issued.serial}
        peer = PeerFile(peer_id=peer_id, name=peer_id, role="agent", urls=(self.url,))
        state_dir.mkdir()
        files = {"key.pem": key_pem(key), "cert.pem": issued.certificate_pem.encode(), "ca.pem": issued.ca_pem.encode()}
        for name, content in {**files, "peer.json": msgspec.json.encode(peer)}.items():  # unsynced, to be quick
            (state_dir / name).write_bytes(content)


@asynccontextmanager
async def running_core(
    folder: Path, *, heartbeat_s: float = 5.0, ca_clock: ShiftedClock | None = None
) -> AsyncIterator[CoreBench]:
    ca = await asyncio.to_thread(CertificateAuthority.open, folder, ca_clock or ShiftedClock())
    core = CoreBench(ca, heartbeat_s=heartbeat_s)
    await core.start()
    try:
        yield core
    finally:
        await core.stop()


class EagerBackoff(Backoff):
    """Notes what the real one would wait, and waits next to nothing."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.pauses: list[float] = []

    def next_s(self, *, refused: bool) -> float:
        self.pauses.append(super().next_s(refused=refused))
        return 0.01


class PeerBench:
    """A running link with the agent behind it."""

    def __init__(self, state_dir: Path, backoff: type[EagerBackoff] = EagerBackoff) -> None:
        self.agent = AgentDouble()
        self.backoff = backoff(random.Random(1))
        self.link = Link(state_dir, self.agent, facts=FACTS, backoff=self.backoff)
        self.stop = asyncio.Event()


@asynccontextmanager
async def running_peer(state_dir: Path, backoff: type[EagerBackoff] = EagerBackoff) -> AsyncIterator[PeerBench]:
    peer = PeerBench(state_dir, backoff)
    task = asyncio.create_task(peer.link.run(peer.stop))
    try:
        yield peer
    finally:
        peer.stop.set()
        async with asyncio.timeout(10):
            await task


@asynccontextmanager
async def raw_peer(core: CoreBench, state_dir: Path) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """The peer's end of a connection, to say things that no peer of ours would."""
    state = await asyncio.to_thread(PeerState.load, state_dir)
    context = await asyncio.to_thread(state.tls.client_context)
    async with (
        http_session(context) as session,
        session.ws_connect(
            core.url + CONNECT_PATH, max_msg_size=0, autoping=False, timeout=ClientWSTimeout(ws_close=0.5)
        ) as socket,
    ):
        yield socket


HELLO = Hello(protocol=1, role="agent", version="0.1.0", hostname="web1", platform="Linux")


async def greet(socket: aiohttp.ClientWebSocketResponse, hello: Hello = HELLO) -> FromCore:
    await socket.send_bytes(frames.encode(hello))
    return await hear(socket)


async def hear(socket: aiohttp.ClientWebSocketResponse) -> FromCore:
    """The next message from the core."""
    async with asyncio.timeout(10):
        return frames.decode_from_core(await socket.receive_bytes())


async def hear_refusal(socket: aiohttp.ClientWebSocketResponse) -> str:
    """The code with which the core ends the connection."""
    message = await hear(socket)
    assert isinstance(message, Refused)
    async with asyncio.timeout(10):
        assert (await socket.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
    return message.error.code


def texts(core: CoreBench) -> list[str]:
    return [report.body.text for report in core.engine.reports if isinstance(report.body, LogReport)]


async def report(peer: PeerBench, *numbers: int) -> None:
    for number in numbers:
        await asyncio.to_thread(peer.link.report, "j1", LogReport(level="info", text=str(number)))


async def connected_again(peer: PeerBench, times: int) -> None:
    await peer.agent.changes.until(lambda: len(peer.agent.welcomes) >= times)
