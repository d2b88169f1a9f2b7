"""The peer's end of the agent link: keeps a connection to the core, for good, and carries reports, progress, requests.

`report`, `progress` and `request_blocking` may be called from any thread, whether or not there is a connection.
"""

import asyncio
import random
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, overload

import aiohttp
import structlog

from phoenix_core import __version__
from phoenix_core.agentlink import features, frames
from phoenix_core.agentlink.backoff import STABLE_S, Backoff
from phoenix_core.agentlink.certificates import CORE
from phoenix_core.agentlink.connection import LatestProgress, Order, PeerConnection
from phoenix_core.agentlink.dial import CONNECT_PATH, CONNECT_TIMEOUT_S, address_of, http_session, proxy_arguments
from phoenix_core.agentlink.errors import CoreUnreachable, LinkClosed, PeerCertificateExpired, PeerCertificateRefused
from phoenix_core.agentlink.growinggrant import GrantAnswer, GrantRequest
from phoenix_core.agentlink.messages import (
    PROTOCOL_VERSION,
    CertificateAnswer,
    CertificateRequest,
    Hello,
    KeysAnswer,
    KeysRequest,
    OwnRestoreAnswer,
    OwnRestoreRequest,
    TokenAnswer,
    TokenRequest,
    Welcome,
)
from phoenix_core.agentlink.outbox import LAST_REPORTS, Outbox
from phoenix_core.agentlink.ownrestore import OwnJobAnswer, OwnJobRequest, OwnSnapshotsAnswer, OwnSnapshotsRequest
from phoenix_core.agentlink.ownstream import OwnStreamAnswer, OwnStreamRequest
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.agentlink.proxy import proxy_for
from phoenix_core.agentlink.questions import Answer, Questions, Request
from phoenix_core.agentlink.renewal import Renewal
from phoenix_core.agentlink.reports import Progress, ReportBody
from phoenix_core.agentlink.ruletest import RuleTestAnswer, RuleTestPage
from phoenix_core.agentlink.tlserrors import explain
from phoenix_core.agentlink.upgradeorder import UpgradeNoted, UpgradeOutcome
from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import new_id
from phoenix_core.host.process import HostFacts, host_facts

REQUEST_TIMEOUT_S = 120.0
CLOSE_TIMEOUT_S = 2.0
CLOCKS_APART_S = 60.0
LOOK_S = 0.5
"""So often a peer without a connection looks whether its core's address has changed."""

log = structlog.get_logger(__name__)


class LinkHandler(Protocol):
    """The agent (or other role) behind the link. Called on the event loop, one call at a time."""

    def running_jobs(self) -> Iterable[str]:
        """The jobs that this process works on, as the greeting names them."""

    async def on_connect(self, welcome: Welcome) -> None: ...

    async def on_order(self, order: Order) -> None:
        """Begin what is ordered and return at once. An order of a job that runs already may come again: leave it be."""

    async def on_disconnect(self, reason: PhoenixError) -> None:
        """Also after each attempt to connect that failed."""


class Link:
    def __init__(
        self,
        state_dir: Path,
        handler: LinkHandler,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        *,
        facts: HostFacts | None = None,
        backoff: Backoff | None = None,
        can: Sequence[str] = features.ALL,
    ) -> None:
        """`can`: the features that the peer names to the core."""
        self._state_dir = state_dir
        self._handler = handler
        self._clock = clock or SystemClock()
        self._backoff = backoff or Backoff(rng or random.Random())  # noqa: S311 - jitter, not a secret
        self._facts = facts
        self._features = tuple(can)
        self._instance = new_id("i")
        self._latest = LatestProgress()
        self._opening = threading.Lock()
        self._outbox: Outbox | None = None
        self._questions = Questions()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: PeerConnection | None = None
        self._up = asyncio.Event()
        self._welcomed = False
        self._told: set[str] = set()
        """Reasons that stand in the log since the last connection."""
        self.last_error: PhoenixError | None = None
        """Why there is no connection, or why the last one ended."""

    @property
    def connected(self) -> bool:
        return self._up.is_set()

    @property
    def down_for(self) -> str:
        """Why there is no connection, in words."""
        return "none has come to be yet" if self.last_error is None else self.last_error.message.rstrip(".")

    async def wait_connected(self) -> None:
        await self._up.wait()

    # --- for jobs, from any thread -----------------------------------------------------------------------------------

    def report(self, job: str, body: ReportBody) -> None:
        """Hand a report to the core, at least once and in order; on return it is synced to disk.

        Blocks for the disk: not on the event loop. Raises OutboxFailed, FrameTooLarge."""
        if isinstance(body, LAST_REPORTS):
            self._latest.drop(job)
        self._open_outbox().append(job, body)
        self._wake("reports_wake")

    def progress(self, progress: Progress) -> None:
        """May be lost; of several on one job only the latest is sent."""
        self._latest.put(progress)
        self._wake("progress_wake")

    @overload
    def request_blocking(self, request: KeysRequest, timeout_s: float = REQUEST_TIMEOUT_S) -> KeysAnswer: ...
    @overload
    def request_blocking(self, request: TokenRequest, timeout_s: float = REQUEST_TIMEOUT_S) -> TokenAnswer: ...
    @overload
    def request_blocking(
        self, request: OwnRestoreRequest, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> OwnRestoreAnswer: ...
    @overload
    def request_blocking(self, request: RuleTestPage, timeout_s: float = REQUEST_TIMEOUT_S) -> RuleTestAnswer: ...
    @overload
    def request_blocking(self, request: UpgradeOutcome, timeout_s: float = REQUEST_TIMEOUT_S) -> UpgradeNoted: ...
    @overload
    def request_blocking(self, request: OwnStreamRequest, timeout_s: float = REQUEST_TIMEOUT_S) -> OwnStreamAnswer: ...
    @overload
    def request_blocking(self, request: GrantRequest, timeout_s: float = REQUEST_TIMEOUT_S) -> GrantAnswer: ...
    def request_blocking(self, request: Request, timeout_s: float = REQUEST_TIMEOUT_S) -> Answer:
        """As `request`, from any thread but the event loop's."""
        loop = self._loop
        if loop is None or loop.is_closed():
            raise LinkClosed()
        if _in_event_loop():
            raise RuntimeError("request_blocking would block the event loop")
        return asyncio.run_coroutine_threadsafe(self._questions.ask(request, timeout_s), loop).result()

    @overload
    async def request(self, request: KeysRequest, timeout_s: float = REQUEST_TIMEOUT_S) -> KeysAnswer: ...
    @overload
    async def request(self, request: TokenRequest, timeout_s: float = REQUEST_TIMEOUT_S) -> TokenAnswer: ...
    @overload
    async def request(self, request: CertificateRequest, timeout_s: float = REQUEST_TIMEOUT_S) -> CertificateAnswer: ...
    @overload
    async def request(self, request: OwnRestoreRequest, timeout_s: float = REQUEST_TIMEOUT_S) -> OwnRestoreAnswer: ...
    @overload
    async def request(self, request: GrantRequest, timeout_s: float = REQUEST_TIMEOUT_S) -> GrantAnswer: ...
    @overload
    async def request(
        self, request: OwnSnapshotsRequest, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> OwnSnapshotsAnswer: ...
    @overload
    async def request(self, request: OwnJobRequest, timeout_s: float = REQUEST_TIMEOUT_S) -> OwnJobAnswer: ...
    async def request(self, request: Request, timeout_s: float = REQUEST_TIMEOUT_S) -> Answer:
        """Ask the core; the number is filled in. Asked again on the next connection where one is lost.

        Raises CoreAway after `timeout_s`, LinkClosed, AnswerLost (a restore only), and what the core answers."""
        return await self._questions.ask(request, timeout_s)

    # --- keeping connected -------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Keep connected until `stop` is set. Raises NotEnrolled, CertificateMalformed, OutboxFailed at the start."""
        self._loop = asyncio.get_running_loop()
        state = await asyncio.to_thread(self._open_state)
        stopping = asyncio.create_task(stop.wait(), name="link stop")
        connecting = asyncio.create_task(self._keep_connected(state), name="link")
        try:
            await asyncio.wait({stopping, connecting}, return_when=asyncio.FIRST_COMPLETED)
            if connecting.done():
                connecting.result()
        finally:
            for task in (stopping, connecting):
                task.cancel()
            await asyncio.gather(stopping, connecting, return_exceptions=True)
            self._questions.close()
            await asyncio.to_thread(self._close_outbox)

    async def flush(self, timeout_s: float) -> bool:
        """Wait until the core has acknowledged every report; False where it has not in time."""
        outbox = await asyncio.to_thread(self._open_outbox)
        try:
            async with asyncio.timeout(timeout_s):
                while await asyncio.to_thread(outbox.__len__):
                    await self._up.wait()
                    connection = self._connection
                    if connection is not None:
                        connection.on_acknowledged.clear()
                        if await asyncio.to_thread(outbox.__len__):
                            await connection.on_acknowledged.wait()
        except TimeoutError:
            return False
        return True

    async def _keep_connected(self, state: PeerState) -> None:
        """Go through the addresses without a pause; after the last one, and when a connection has ended, wait."""
        while True:
            urls = await asyncio.to_thread(state.current_urls)
            refused = True
            for url in urls:
                self._welcomed = False
                reason = await self._until_down(state, url)
                refused = refused and not reason.view().retryable
                if self._welcomed:
                    break
            pause_s = self._backoff.next_s(refused=refused)
            log.debug("link waits", retry_s=round(pause_s, 1))
            await self._pause(state, urls, pause_s)

    async def _until_down(self, state: PeerState, url: str) -> PhoenixError:
        """Why there is no connection to this address, or why it ended."""
        began_s = self._clock.monotonic_s()
        try:
            await self._connect(state, url)
        except PhoenixError as error:
            reason = error
        except (OSError, aiohttp.ClientError) as error:
            reason = explain(error, address_of(url))
        if self._clock.monotonic_s() - began_s >= STABLE_S:
            self._backoff.reset()
        tell = log.debug if str(reason) in self._told else log.warning
        self._told.add(str(reason))
        tell("link down", error=reason.view().code, detail=str(reason))
        self.last_error = reason
        await self._handler.on_disconnect(reason)
        return reason

    async def _pause(self, state: PeerState, urls: Sequence[str], pause_s: float) -> None:
        """At most so long: a core that starts on this data directory writes its address down, and is dialled then."""
        end_s = self._clock.monotonic_s() + pause_s
        while (left_s := end_s - self._clock.monotonic_s()) > 0:
            await asyncio.sleep(min(left_s, LOOK_S))
            if tuple(urls) != await asyncio.to_thread(state.current_urls):
                self._backoff.reset()
                return

    async def _connect(self, state: PeerState, url: str) -> None:
        """One connection from dialling to its end; always ends by raising why."""
        address = address_of(url)
        await asyncio.to_thread(self._check_certificate, state)
        context = await asyncio.to_thread(state.tls.client_context, (CORE,))
        async with http_session(context) as session:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    socket = await session.ws_connect(
                        url.rstrip("/") + CONNECT_PATH,
                        compress=0,
                        max_msg_size=frames.MAX_FRAME_BYTES,
                        timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                        **proxy_arguments(proxy_for(url)),
                    )
            except aiohttp.WSServerHandshakeError as error:
                raise _handshake_refused(error.status, address) from error
            async with socket:
                await self._talk(socket, url, state)

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse, url: str, state: PeerState) -> None:
        address = address_of(url)
        connection = PeerConnection(
            socket, address, self._open_outbox(), self._questions, self._latest, self._take_order
        )
        welcome = await connection.greet(await asyncio.to_thread(self._hello, state, url))
        self._connection = connection
        self._up.set()
        self._welcomed = True
        self._told.clear()
        self.last_error = None
        log.info("link up", address=address, peer=welcome.peer_id, name=welcome.name)
        ahead_s = self._clock.now().timestamp() - welcome.core_time_ns / 1e9
        if abs(ahead_s) > CLOCKS_APART_S:
            log.warning("this host's clock differs from the core's", ahead_s=round(ahead_s))
        renewal = asyncio.create_task(
            Renewal(state, self._clock, self._questions).run(), name="link certificate renewal"
        )
        try:
            await self._handler.on_connect(welcome)
            await connection.run()
        finally:
            self._up.clear()
            self._connection = None
            connection.on_acknowledged.set()
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
            self._questions.connection_lost()

    async def _take_order(self, order: Order) -> None:
        try:
            await self._handler.on_order(order)
        except Exception:
            log.exception("order failed", order=type(order).__name__, job=getattr(order, "job", ""))

    def _hello(self, state: PeerState, url: str) -> Hello:
        facts = self._facts or host_facts()
        jobs = dict.fromkeys((*self._handler.running_jobs(), *self._open_outbox().ended_jobs()))
        return Hello(
            protocol=PROTOCOL_VERSION,
            role=state.peer.role,
            version=__version__,
            hostname=facts.hostname,
            platform=facts.platform,
            running_jobs=tuple(jobs),
            instance=self._instance,
            dialled=url.rstrip("/"),
            features=self._features,
        )

    def _check_certificate(self, state: PeerState) -> None:
        ends_at = state.certificate().not_valid_after_utc
        if ends_at <= self._clock.now():
            raise PeerCertificateExpired(ended=ends_at.isoformat())

    def _open_state(self) -> PeerState:
        state = PeerState.load(self._state_dir)
        state.finish_renewal()
        self._open_outbox()
        return state

    def _close_outbox(self) -> None:
        """A job that reports later still finds it: it is opened anew, and the report sent by the next process."""
        with self._opening:
            if self._outbox is not None:
                self._outbox.close()
                self._outbox = None

    def _open_outbox(self) -> Outbox:
        with self._opening:
            if self._outbox is None:
                self._outbox = Outbox(PeerState.outbox_of(self._state_dir), self._clock)
            return self._outbox

    def _wake(self, event: str) -> None:
        loop, connection = self._loop, self._connection
        if loop is None or connection is None:
            return
        try:
            loop.call_soon_threadsafe(getattr(connection, event).set)
        except RuntimeError:  # the loop was closed in between: what waits is sent by the next process
            log.debug("link loop closed")


def _handshake_refused(status: int, address: str) -> PhoenixError:
    if status in {401, 403}:
        return PeerCertificateRefused(address=address, detail=f"HTTP status {status}")
    return CoreUnreachable(address=address, detail=f"it answered with HTTP status {status}")


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
