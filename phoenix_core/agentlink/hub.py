"""The core's end of the agent link: lets peers in by certificate, one live session each, and routes messages.

A second connection of a peer replaces the first: it is the one that the peer knows of. The new one waits until the
old one's handlers are through, so that the engine sees the reports of a peer strictly in turn.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog
from aiohttp import WSMsgType, web

from phoenix_core import __version__
from phoenix_core.agentlink import features, frames
from phoenix_core.agentlink.ca import PEER_DAYS, CertificateAuthority, IssuedCertificate
from phoenix_core.agentlink.certificates import AGENT, PEER_ROLES, PeerIdentity, peer_identity
from phoenix_core.agentlink.dial import CONNECT_PATH, SELF_PATH
from phoenix_core.agentlink.directions import Answered, Asked
from phoenix_core.agentlink.errors import (
    CertificateNeeded,
    CoreStopping,
    FrameGarbled,
    PeerAway,
    PeerCertificateExpired,
    PeerNotAllowed,
    ReplacedByNewer,
)
from phoenix_core.agentlink.messages import (
    CertificateAnswer,
    CertificateRequest,
    Hello,
    Message,
    Refused,
    Welcome,
)
from phoenix_core.agentlink.reports import Progress, Report
from phoenix_core.agentlink.served import SERVED_PROTOCOLS, check_version
from phoenix_core.agentlink.session import CLOSE_TIMEOUT_S, PeerRequest, PeerSession, failed_answer
from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.domain.errors import PhoenixError

HEARTBEAT_S = 10.0
MISSED_HEARTBEATS = 3
GREETING_TIMEOUT_S = 15.0
VERSION_CHARACTERS, HOSTNAME_CHARACTERS, PLATFORM_CHARACTERS = 40, 255, 100

log = structlog.get_logger(__name__)


class Greeting(msgspec.Struct, frozen=True):
    """What the core says of a peer when it lets it in."""

    name: str
    last_record: int = 0
    vault: str = ""


class PeerEvents(Protocol):
    """What happens on the link; the engine implements it. Called on the event loop; per peer never two at once, but for
    requests."""

    def is_allowed(self, peer_id: str, serial: str) -> bool:
        """Whether this peer is in use and was given this certificate (serial in lower-case hex)."""

    async def greet(self, peer: PeerIdentity, hello: Hello) -> Greeting:
        """Before the peer is let in. A PhoenixError refuses it."""

    async def on_connect(self, peer: PeerIdentity, hello: Hello) -> None:
        """The peer is in and can be sent to; its reports come after this has returned."""

    async def on_disconnect(self, peer: PeerIdentity) -> None:
        """The connection is over and no message of it comes any more."""

    def on_progress(self, peer: PeerIdentity, progress: Progress) -> None: ...

    async def on_report(self, peer: PeerIdentity, report: Report) -> None:
        """Keep the report, durably; it is acknowledged on return. One seen before may come again.

        Raise only where another try may help: the connection is closed and the peer sends it again."""

    async def on_request(self, peer: PeerIdentity, request: Asked) -> Answered:
        """Answer a request; a PhoenixError becomes the answer's error."""

    async def on_certificate(self, peer: PeerIdentity, certificate: IssuedCertificate) -> None:
        """Keep a renewed certificate, durably, before the peer gets it."""


class Hub:
    """Mount with `add_routes`. `stop` before the server is closed."""

    def __init__(
        self,
        events: PeerEvents,
        ca: CertificateAuthority,
        clock: Clock | None = None,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        certificate_days: Callable[[], float] = lambda: PEER_DAYS,
        version: str = __version__,
        protocols: range = SERVED_PROTOCOLS,
    ) -> None:
        """`certificate_days`: how long a certificate that is renewed now lasts. `version`: the core's own; `protocols`:
        those that it serves."""
        self._events = events
        self._ca = ca
        self._clock = clock or SystemClock()
        self._heartbeat_s = heartbeat_s
        self._certificate_days = certificate_days
        self._version = version
        self._protocols = protocols
        self._sessions: dict[str, PeerSession] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._handlers: set[asyncio.Task[object]] = set()
        self._stopping = False

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get(CONNECT_PATH, self.handle)
        app.router.add_get(SELF_PATH, self.handle_self)

    # --- for the engine ----------------------------------------------------------------------------------------------

    def connected(self, peer_id: str) -> bool:
        return peer_id in self._sessions

    def peers(self) -> list[str]:
        return sorted(self._sessions)

    async def send(self, peer_id: str, message: Message) -> None:
        """Hand a message to the peer's connection; whether it arrives only the peer can tell.

        Raises PeerAway, FrameTooLarge."""
        session = self._sessions.get(peer_id)
        if session is None:
            raise PeerAway(peer=peer_id)
        try:
            await session.send(message)
        except (ConnectionError, TimeoutError) as error:
            raise PeerAway(peer=peer_id) from error

    async def drop(self, peer_id: str) -> None:
        """End a peer's connection because it is no longer allowed; returns when it is over, its handlers included: not
        to be called from one of them."""
        session = self._sessions.get(peer_id)
        if session is not None:
            session.end(PeerNotAllowed(peer=peer_id, serial=session.identity.serial))
            await session.finished.wait()

    async def stop(self) -> None:
        """Let go of all peers and take no new ones; returns when all handlers are through."""
        self._stopping = True
        while self._sessions:
            sessions = list(self._sessions.values())
            for session in sessions:
                session.end(CoreStopping())
            for session in sessions:
                await session.finished.wait()
        for task in self._handlers:  # those that have not greeted yet
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    # --- connections -------------------------------------------------------------------------------------------------

    async def handle_self(self, request: web.Request) -> web.Response:
        """Whether the core still lets this peer in; its connection, where it has one, isn't touched."""
        try:
            identity, _ = _identified(request)
            refusal = self.still_allowed(identity)
            if refusal is not None:
                raise refusal
        except PhoenixError as error:
            return _as_answer(error)
        return web.json_response({"peer_id": identity.peer_id})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket route."""
        try:
            identity, transport = _identified(request)
        except PhoenixError as error:
            return _as_answer(error)
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)
        socket = web.WebSocketResponse(compress=False, max_msg_size=frames.MAX_FRAME_BYTES, timeout=CLOSE_TIMEOUT_S)
        await socket.prepare(request)
        try:
            hello = await self._greet(socket, identity)
        except PhoenixError as error:
            log.warning("peer refused", peer=identity.peer_id, error=error.code, remote=request.remote)
            await _refuse(socket, error)
            return socket
        except (ConnectionError, TimeoutError):
            return socket
        await self._serve(socket, identity, hello, transport)
        return socket

    async def _greet(self, socket: web.WebSocketResponse, identity: PeerIdentity) -> Hello:
        refusal = CoreStopping() if self._stopping else self.still_allowed(identity)
        if refusal is not None:
            raise refusal
        async with asyncio.timeout(GREETING_TIMEOUT_S):
            first = await socket.receive()
        if first.type is not WSMsgType.BINARY:
            raise FrameGarbled(detail="the first is no greeting")
        hello = frames.decode_hello(first.data, self._protocols)
        if identity.role == AGENT:
            check_version(hello.version, self._version)
        return msgspec.structs.replace(
            hello,
            role=identity.role,
            version=hello.version[:VERSION_CHARACTERS],
            hostname=hello.hostname[:HOSTNAME_CHARACTERS],
            platform=hello.platform[:PLATFORM_CHARACTERS],
        )

    async def _serve(
        self, socket: web.WebSocketResponse, identity: PeerIdentity, hello: Hello, transport: asyncio.Transport
    ) -> None:
        peer = identity.peer_id
        silence_s = self._heartbeat_s * MISSED_HEARTBEATS
        session = PeerSession(socket, identity, hello, self, silence_s=silence_s, abort=transport.abort)
        async with self._turns.setdefault(peer, asyncio.Lock()):
            older = self._sessions.get(peer)
            if older is not None:
                older.end(ReplacedByNewer(peer=peer))
                await older.finished.wait()
            try:
                if self._stopping:
                    raise CoreStopping()
                greeting = await self._events.greet(identity, hello)
                await session.send(self._welcome(peer, hello.protocol, greeting))
            except PhoenixError as error:
                await _refuse(socket, error)
                return
            except (ConnectionError, TimeoutError):
                return
            self._sessions[peer] = session
        log.info("peer connected", peer=peer, role=identity.role, version=hello.version, hostname=hello.hostname)
        try:
            await self._events.on_connect(identity, hello)
            await session.run()
        finally:
            del self._sessions[peer]
            try:
                await self._events.on_disconnect(session.identity)
            finally:
                session.finished.set()
                reason = session.reason.code if session.reason else "closed by the peer or lost"
                log.info("peer disconnected", peer=peer, reason=reason)

    def _welcome(self, peer_id: str, protocol: int, greeting: Greeting) -> Welcome:
        return Welcome(
            protocol=protocol,
            peer_id=peer_id,
            name=greeting.name,
            heartbeat_s=self._heartbeat_s,
            core_time_ns=int(self._clock.now().timestamp() * 1e9),
            last_record=greeting.last_record,
            vault=greeting.vault,
            can=features.CORE,
        )

    # --- what sessions hand on ---------------------------------------------------------------------------------------

    def still_allowed(self, identity: PeerIdentity) -> PhoenixError | None:
        if identity.ends_at <= self._clock.now():
            return PeerCertificateExpired(ended=identity.ends_at.isoformat())
        if not self._events.is_allowed(identity.peer_id, identity.serial):
            return PeerNotAllowed(peer=identity.peer_id, serial=identity.serial)
        return None

    def progress(self, identity: PeerIdentity, progress: Progress) -> None:
        self._events.on_progress(identity, progress)

    async def report(self, identity: PeerIdentity, report: Report) -> None:
        await self._events.on_report(identity, report)

    async def request(self, session: PeerSession, request: PeerRequest) -> Message:
        try:
            if isinstance(request, CertificateRequest):
                return await self._renew(session, request)
            answer = await self._events.on_request(session.identity, request)
            return msgspec.structs.replace(answer, number=request.number)
        except Exception as error:
            if not isinstance(error, PhoenixError):
                log.exception("request failed", peer=session.identity.peer_id, request=type(request).__name__)
            return failed_answer(request, error)

    async def _renew(self, session: PeerSession, request: CertificateRequest) -> CertificateAnswer:
        identity = session.identity
        issued = await asyncio.to_thread(
            self._ca.issue, request.csr_pem, identity.role, identity.peer_id, self._certificate_days()
        )
        await self._events.on_certificate(identity, issued)
        # The connection was let in by the old certificate; it goes on with the new one's time.
        session.identity = msgspec.structs.replace(identity, serial=issued.serial, ends_at=issued.ends_at)
        log.info("certificate renewed", peer=identity.peer_id, serial=issued.serial, ends_at=issued.ends_at.isoformat())
        return CertificateAnswer(number=request.number, certificate_pem=issued.certificate_pem, ca_pem=issued.ca_pem)


def _identified(request: web.Request) -> tuple[PeerIdentity, asyncio.Transport]:
    """Raises CertificateNeeded, CertificateMalformed."""
    if request.transport is None:
        raise CertificateNeeded()
    identity = peer_identity(request.transport)
    if identity.role not in PEER_ROLES:
        raise CertificateNeeded()
    return identity, request.transport


def _as_answer(error: PhoenixError) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(error.view()), status=error.http_status, content_type="application/json"
    )


async def _refuse(socket: web.WebSocketResponse, error: PhoenixError) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await socket.send_bytes(frames.encode(Refused(error=error.view())))
            await socket.close()
    except (ConnectionError, TimeoutError):
        log.info("refused peer did not wait for the reason")
