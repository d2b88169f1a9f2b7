"""One live connection of one peer, at the core: reads its frames, answers them, and ends it for a stated reason.

    reader ──► heartbeats, progress: at once
           ──► reports: a queue, one worker, acknowledged in order once the handler has returned
           ──► requests: a task each, a bounded number at a time
A queue or pool that is full stops the reader, and with it, through TCP, the peer.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Protocol

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from phoenix_core.agentlink import frames
from phoenix_core.agentlink.certificates import PeerIdentity
from phoenix_core.agentlink.directions import Asked
from phoenix_core.agentlink.errors import FrameGarbled, FrameTooLarge, LinkError, MessageUnexpected
from phoenix_core.agentlink.growinggrant import GrantAnswer, GrantRequest
from phoenix_core.agentlink.messages import (
    CertificateAnswer,
    CertificateRequest,
    Heartbeat,
    HeartbeatAnswer,
    Hello,
    KeysAnswer,
    KeysRequest,
    Message,
    OwnRestoreAnswer,
    OwnRestoreRequest,
    Refused,
    ReportAck,
    TokenAnswer,
    TokenRequest,
)
from phoenix_core.agentlink.ownrestore import OwnJobAnswer, OwnJobRequest, OwnSnapshotsAnswer, OwnSnapshotsRequest
from phoenix_core.agentlink.ownstream import OwnStreamAnswer, OwnStreamRequest
from phoenix_core.agentlink.reports import Progress, Report
from phoenix_core.agentlink.ruletest import RuleTestAnswer, RuleTestPage
from phoenix_core.agentlink.upgradeorder import UpgradeNoted, UpgradeOutcome
from phoenix_core.domain.errors import PhoenixError

REPORTS_WAITING = 256
REQUESTS_AT_ONCE = 8
CLOSE_TIMEOUT_S = 1.0

log = structlog.get_logger(__name__)

PeerRequest = Asked | CertificateRequest


class SessionEvents(Protocol):
    """What a session hands on; the hub implements it."""

    def progress(self, identity: PeerIdentity, progress: Progress) -> None: ...

    async def report(self, identity: PeerIdentity, report: Report) -> None: ...

    async def request(self, session: "PeerSession", request: PeerRequest) -> Message: ...

    def still_allowed(self, identity: PeerIdentity) -> PhoenixError | None: ...


class PeerSession:
    """Made after the greeting; `run` returns when the connection is over."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        identity: PeerIdentity,
        hello: Hello,
        events: SessionEvents,
        *,
        silence_s: float,
        abort: Callable[[], None],
    ) -> None:
        """`abort` breaks the connection at once, for a peer that doesn't listen any more."""
        self.identity = identity
        self.hello = hello
        self._socket = socket
        self._events = events
        self._silence_s = silence_s
        self._abort = abort
        self._silent = False
        self._reports: asyncio.Queue[Report] = asyncio.Queue(REPORTS_WAITING)
        self._requests = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._answering: set[asyncio.Task[None]] = set()
        self._reason: PhoenixError | None = None
        self._ending = asyncio.Event()
        self.finished = asyncio.Event()
        """Set by the hub once everything about this session is over, its handlers included."""

    @property
    def reason(self) -> PhoenixError | None:
        """Why this end closed the connection; None: the peer did, or it was lost."""
        return self._reason

    async def send(self, message: Message) -> None:
        """Raises FrameTooLarge, ConnectionError. The frame is in the socket's buffer on return, which is bounded."""
        frame = frames.encode(message)
        if self._ending.is_set() or self._socket.closed:
            raise ConnectionResetError("the connection is closed")
        async with asyncio.timeout(self._silence_s):
            await self._socket.send_bytes(frame)

    def end(self, reason: PhoenixError) -> None:
        """Close the connection soon and tell the peer why."""
        if not self._ending.is_set():
            self._reason = reason
            self._ending.set()

    async def run(self) -> None:
        peer = self.identity.peer_id
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._read(group), name=f"link reader {peer}")
            worker = group.create_task(self._work_reports(), name=f"link reports {peer}")
            closer = group.create_task(self._ending.wait(), name=f"link closer {peer}")
            await asyncio.wait({reader, closer, worker}, return_when=asyncio.FIRST_COMPLETED)
            self._ending.set()
            for task in (reader, worker, *self._answering):
                task.cancel()
        await self._close()

    async def _close(self) -> None:
        if self._silent:
            self._abort()
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if self._reason is not None and not self._socket.closed:
                    await self._socket.send_bytes(frames.encode(Refused(error=self._reason.view())))
                await self._socket.close(code=WSCloseCode.OK if self._reason is None else WSCloseCode.POLICY_VIOLATION)
        except (TimeoutError, ConnectionError):
            log.info("peer did not close in time", peer=self.identity.peer_id)
            self._abort()

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _read(self, group: asyncio.TaskGroup) -> None:
        while True:
            try:
                async with asyncio.timeout(self._silence_s):
                    frame = await self._socket.receive()
            except TimeoutError:
                log.warning("peer silent, connection closed", peer=self.identity.peer_id, seconds=self._silence_s)
                self._silent = True
                return
            if frame.type is not WSMsgType.BINARY:
                self._not_binary(frame.type, frame.data)
                return
            try:
                await self._take(frame.data, group)
            except LinkError as error:
                log.warning("peer sent an unusable frame", peer=self.identity.peer_id, error=str(error))
                self.end(error)
                return
            except (ConnectionError, TimeoutError):
                return

    def _not_binary(self, kind: WSMsgType, data: object) -> None:
        if kind is WSMsgType.TEXT:
            self.end(FrameGarbled(detail="it is text"))
        elif kind is WSMsgType.ERROR and getattr(data, "code", None) == WSCloseCode.MESSAGE_TOO_BIG:
            self.end(FrameTooLarge(bytes=frames.MAX_FRAME_BYTES + 1, limit=frames.MAX_FRAME_BYTES))

    async def _take(self, frame: bytes, group: asyncio.TaskGroup) -> None:
        message = frames.decode_from_peer(frame)
        match message:
            case Heartbeat():
                refusal = self._events.still_allowed(self.identity)
                if refusal is not None:
                    self.end(refusal)
                else:
                    await self.send(HeartbeatAnswer(number=message.number))
            case Progress():
                self._take_progress(message)
            case Report():
                await self._reports.put(message)
            case (
                KeysRequest()
                | TokenRequest()
                | CertificateRequest()
                | OwnRestoreRequest()
                | RuleTestPage()
                | UpgradeOutcome()
                | OwnStreamRequest()
                | GrantRequest()
                | OwnSnapshotsRequest()
                | OwnJobRequest()
            ):
                await self._requests.acquire()
                task = group.create_task(self._answer(message), name=f"link request {self.identity.peer_id}")
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case Hello():
                raise MessageUnexpected(tag="Hello", detail="it comes once, first")

    def _take_progress(self, progress: Progress) -> None:
        try:
            self._events.progress(self.identity, progress)
        except Exception:
            log.exception("progress not taken", peer=self.identity.peer_id, job=progress.job)

    async def _work_reports(self) -> None:
        while True:
            report = await self._reports.get()
            try:
                await _to_its_end(self._events.report(self.identity, report), f"link report {self.identity.peer_id}")
            except Exception as error:
                # Not acknowledged: the peer keeps the report and sends it again on its next connection.
                place = {"peer": self.identity.peer_id, "job": report.job, "number": report.number}
                if isinstance(error, PhoenixError):
                    log.warning("report not taken", **place, error=error.code, detail=str(error))
                    self.end(error)
                else:
                    log.exception("report not taken", **place)
                    self.end(PhoenixError(detail=type(error).__name__))
                return
            try:
                await self.send(ReportAck(number=report.number))
            except (ConnectionError, TimeoutError):
                return

    async def _answer(self, request: PeerRequest) -> None:
        try:
            answer = await self._events.request(self, request)
            try:
                await self.send(answer)
            except FrameTooLarge as error:
                await self.send(failed_answer(request, error))
        except (ConnectionError, TimeoutError):
            log.info("answer not delivered", peer=self.identity.peer_id, request=type(request).__name__)
        finally:
            self._requests.release()


async def _to_its_end(work: Coroutine[None, None, None], name: str) -> None:
    """Await the work; a cancellation takes effect only once it is through, since a half-kept report helps nobody."""
    task = asyncio.create_task(work, name=name)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is not None:
            log.warning("report not taken", exc_info=task.exception())
        raise


def failed_answer(request: PeerRequest, error: Exception) -> Message:
    """The answer that says why there is none. Of an error that isn't ours only the kind is told."""
    view = error.view() if isinstance(error, PhoenixError) else PhoenixError(detail=type(error).__name__).view()
    if isinstance(request, RuleTestPage):
        return RuleTestAnswer(number=request.number, go_on=False, error=view)
    return _ANSWERS[type(request)](number=request.number, error=view)


_ANSWERS: dict[type[Message], Callable[..., Message]] = {
    KeysRequest: KeysAnswer,
    TokenRequest: TokenAnswer,
    CertificateRequest: CertificateAnswer,
    OwnRestoreRequest: OwnRestoreAnswer,
    UpgradeOutcome: UpgradeNoted,
    OwnStreamRequest: OwnStreamAnswer,
    GrantRequest: GrantAnswer,
    OwnSnapshotsRequest: OwnSnapshotsAnswer,
    OwnJobRequest: OwnJobAnswer,
}
