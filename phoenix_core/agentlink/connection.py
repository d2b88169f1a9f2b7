"""One connection of a peer to its core, from the greeting on: pumps in each direction until it is over."""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType

from phoenix_core.agentlink import frames
from phoenix_core.agentlink.directions import FromCore
from phoenix_core.agentlink.errors import CoreUnreachable, FrameGarbled, FrameTooLarge, MessageUnexpected, from_view
from phoenix_core.agentlink.growinggrant import GrantAnswer
from phoenix_core.agentlink.messages import (
    BackupOrder,
    CancelOrder,
    CertificateAnswer,
    Heartbeat,
    HeartbeatAnswer,
    Hello,
    JobKnown,
    KeysAnswer,
    OwnRestoreAnswer,
    Refused,
    ReportAck,
    RestoreOrder,
    SnapshotRecorded,
    TokenAnswer,
    Welcome,
)
from phoenix_core.agentlink.outbox import Outbox
from phoenix_core.agentlink.ownrestore import OwnJobAnswer, OwnSnapshotsAnswer
from phoenix_core.agentlink.ownstream import OwnStreamAnswer
from phoenix_core.agentlink.questions import Questions
from phoenix_core.agentlink.reports import Progress
from phoenix_core.agentlink.ruletest import RuleTestAnswer, RuleTestOrder
from phoenix_core.agentlink.upgradeorder import UpgradeNoted, UpgradeOrder

GREETING_TIMEOUT_S = 15.0
MISSED_HEARTBEATS = 3
REPORTS_IN_FLIGHT = 64
REPORTS_READ_AT_ONCE = 8
PROGRESS_PAUSE_S = 0.2

log = structlog.get_logger(__name__)

Order = BackupOrder | RestoreOrder | CancelOrder | JobKnown | SnapshotRecorded | RuleTestOrder | UpgradeOrder


class LatestProgress:
    """The newest progress of each job, until it is sent. `put` and `drop` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[str, Progress] = {}

    def put(self, progress: Progress) -> None:
        with self._lock:
            self._latest[progress.job] = progress

    def drop(self, job: str) -> None:
        with self._lock:
            self._latest.pop(job, None)

    def take(self) -> list[Progress]:
        with self._lock:
            taken, self._latest = list(self._latest.values()), {}
        return taken


class PeerConnection:
    """Used from the event loop only. `greet`, then `run`."""

    def __init__(
        self,
        socket: ClientWebSocketResponse,
        address: str,
        outbox: Outbox,
        questions: Questions,
        latest: LatestProgress,
        on_order: Callable[[Order], Awaitable[None]],
    ) -> None:
        self._socket = socket
        self._address = address
        self._outbox = outbox
        self._questions = questions
        self._latest = latest
        self._on_order = on_order
        self._in_flight: deque[int] = deque()
        self._acknowledged = 0
        self._forgotten = 0
        self._silence_s = GREETING_TIMEOUT_S
        self._heartbeat_s = GREETING_TIMEOUT_S
        self.reports_wake = asyncio.Event()
        self.progress_wake = asyncio.Event()
        self.on_acknowledged = asyncio.Event()
        """Set each time that acknowledged reports have left the outbox."""

    async def greet(self, hello: Hello) -> Welcome:
        """Raises what the core refuses with, CoreUnreachable, FrameGarbled."""
        await self._socket.send_bytes(frames.encode(hello))
        welcome = await self._receive()
        if not isinstance(welcome, Welcome):
            raise MessageUnexpected(tag=type(welcome).__name__, detail="a welcome was due")
        self._heartbeat_s = welcome.heartbeat_s
        self._silence_s = welcome.heartbeat_s * MISSED_HEARTBEATS
        return welcome

    async def run(self) -> None:
        """Until the connection is over; always ends by raising why."""
        tasks = [
            asyncio.create_task(self._read(), name="link reader"),
            asyncio.create_task(self._beat(), name="link heartbeat"),
            asyncio.create_task(self._send_reports(), name="link reports"),
            asyncio.create_task(self._send_progress(), name="link progress"),
            asyncio.create_task(self._send_questions(), name="link requests"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._forget_acknowledged()
        for task in tasks:  # the reader first: it knows the reason that the core gave
            if task in done:
                task.result()

    # --- from the core -----------------------------------------------------------------------------------------------

    async def _receive(self) -> FromCore:
        try:
            async with asyncio.timeout(self._silence_s):
                frame = await self._socket.receive()
        except TimeoutError as error:
            raise CoreUnreachable(address=self._address, detail=f"silent for {self._silence_s:g} s") from error
        match frame.type:
            case WSMsgType.BINARY:
                message = frames.decode_from_core(frame.data)
            case WSMsgType.TEXT:
                raise FrameGarbled(detail="it is text")
            case WSMsgType.CLOSE | WSMsgType.CLOSING | WSMsgType.CLOSED if (
                self._socket.close_code == WSCloseCode.MESSAGE_TOO_BIG
            ):
                raise FrameTooLarge(bytes=frames.MAX_FRAME_BYTES + 1, limit=frames.MAX_FRAME_BYTES)
            case _:
                lost = frame.data if isinstance(frame.data, BaseException) else None
                raise CoreUnreachable(address=self._address, detail="the connection was lost") from lost
        if isinstance(message, Refused):
            raise from_view(message.error)
        return message

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            match message:
                case ReportAck():
                    self._take_acknowledgement(message.number)
                case (
                    KeysAnswer()
                    | TokenAnswer()
                    | CertificateAnswer()
                    | OwnRestoreAnswer()
                    | RuleTestAnswer()
                    | UpgradeNoted()
                    | OwnStreamAnswer()
                    | GrantAnswer()
                    | OwnSnapshotsAnswer()
                    | OwnJobAnswer()
                ):
                    self._questions.answered(message)
                case (
                    BackupOrder()
                    | RestoreOrder()
                    | CancelOrder()
                    | JobKnown()
                    | SnapshotRecorded()
                    | RuleTestOrder()
                    | UpgradeOrder()
                ):
                    await self._on_order(message)
                case HeartbeatAnswer():
                    pass
                case Welcome():
                    raise MessageUnexpected(tag="Welcome", detail="it comes once, first")
                case Refused():
                    raise from_view(message.error)

    # --- to the core -------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(self._heartbeat_s)
            number += 1
            await self._socket.send_bytes(frames.encode(Heartbeat(number=number)))

    async def _send_progress(self) -> None:
        while True:
            self.progress_wake.clear()
            for progress in self._latest.take():
                await self._socket.send_bytes(frames.encode(progress))
            await asyncio.sleep(PROGRESS_PAUSE_S)
            await self.progress_wake.wait()

    async def _send_questions(self) -> None:
        while True:
            for frame in await self._questions.unsent():
                await self._socket.send_bytes(frame)

    async def _send_reports(self) -> None:
        """All that wait, in order, a bounded number ahead of the acknowledgements."""
        sent = 0
        while True:
            self.reports_wake.clear()
            await self._forget_acknowledged()
            room = min(REPORTS_IN_FLIGHT - len(self._in_flight), REPORTS_READ_AT_ONCE)
            waiting = await asyncio.to_thread(self._outbox.after, sent, room) if room else []
            for number, frame in waiting:
                self._in_flight.append(number)
                await self._socket.send_bytes(frame)
                sent = number
            if not waiting:
                await self.reports_wake.wait()

    def _take_acknowledgement(self, number: int) -> None:
        while self._in_flight and self._in_flight[0] <= number:
            self._acknowledged = self._in_flight.popleft()
        self.reports_wake.set()

    async def _forget_acknowledged(self) -> None:
        if self._acknowledged > self._forgotten:
            number = self._acknowledged
            await asyncio.to_thread(self._outbox.acknowledge, number)
            self._forgotten = number
            self.on_acknowledged.set()
