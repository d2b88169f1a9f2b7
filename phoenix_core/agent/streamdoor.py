"""The agent's socket for streams, `streams.sock` in its folder, open to the agent's own user alone: a sender on this
host names a stream; the agent asks the core for the job, tells the sender how it ends, and meanwhile the job reads.
"""

import select
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from phoenix_core.agent.errors import AgentError
from phoenix_core.agent.handedstreams import HandedStreams
from phoenix_core.agent.streamframes import (
    HELLO,
    RESULT,
    SOCKET,
    TAKEN,
    ConnectionCut,
    StreamHello,
    StreamResult,
    StreamTaken,
    receive_frame,
    send_frame,
)
from phoenix_core.agentlink import features
from phoenix_core.agentlink.errors import CoreAway
from phoenix_core.agentlink.messages import Welcome
from phoenix_core.agentlink.ownstream import OwnStreamAnswer, OwnStreamRequest
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.states import JobState
from phoenix_core.host.unixsocket import listen_unix

ASK_S = 60.0
LOOK_S = 1.0
HELLO_S = 30.0
CLOSE_S = 3.0
LAST_LOOK_S = 0.1

log = structlog.get_logger(__name__)


class CoreTakesNoStreams(AgentError):
    code = "core_takes_no_streams"
    template = "The core isn't connected, or is too old to take streams that are handed to its agents."
    hint = "See that the agent is connected (its log says so); else upgrade the core, or use a script on this server."
    retryable = True


class StreamLeft(AgentError):
    code = "stream_left"
    template = "The agent stops, and doesn't know yet how the backup of the stream {name} ends."
    hint = "See at the core whether it made a snapshot: `phoenix job list`. If not, start the sender once more."
    retryable = True


class OwnStreamLink(Protocol):
    def request_blocking(self, request: OwnStreamRequest, timeout_s: float) -> OwnStreamAnswer: ...


class _Caller:
    """A sender's connection; it is answered once, by whoever is first."""

    def __init__(self, sender: socket.socket) -> None:
        self.sender = sender
        self.name = ""
        self.job = ""
        self.core_away = False
        """The core didn't say how its job goes, when it was asked last."""
        self.is_gone = False
        """Nobody is there any more to hear how it ended."""
        self._lock = threading.Lock()
        self._answered = False

    def taken(self, job: str) -> None:
        """Raises OSError."""
        self.job = job
        with self._lock:
            send_frame(self.sender, TAKEN, msgspec.json.encode(StreamTaken(job)))

    def answer(self, result: StreamResult) -> None:
        """Raises OSError."""
        with self._lock:
            if self._answered:
                return
            self._answered = True
            send_frame(self.sender, RESULT, msgspec.json.encode(result))

    def left(self) -> StreamResult:
        return StreamResult(self.job, error=StreamLeft(name=self.name).view())


class StreamDoor:
    def __init__(
        self,
        link: OwnStreamLink,
        handed: HandedStreams,
        folder: Path,
        *,
        look_s: float = LOOK_S,
        close_s: float = CLOSE_S,
    ) -> None:
        """`look_s`: between two questions how a job goes; `close_s`: how long `close` waits for answers to them."""
        self._link = link
        self._handed = handed
        self._path = folder / SOCKET
        self._look_s = look_s
        self._close_s = close_s
        self._core_can = False
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._callers: dict[_Caller, threading.Thread] = {}
        self._listener: socket.socket | None = None

    def welcomed(self, welcome: Welcome) -> None:
        self._core_can = features.OWN_STREAMS in welcome.can

    def open(self) -> None:
        """Where it can't be opened, the agent does without. Not on an event loop."""
        try:
            self._listener = listen_unix(self._path)
        except OSError as error:
            log.error("streams can't be handed to this agent", path=str(self._path), error=str(error))  # noqa: TRY400
            return
        threading.Thread(target=self._accept, args=(self._listener,), name="stream door", daemon=True).start()

    def close(self) -> None:
        """Nobody comes in any more; who is in is told how its job ended, or that this isn't known. While the link to
        the core is up. Not on an event loop."""
        until = time.monotonic() + self._close_s
        self._closing.set()
        if self._listener is not None:
            self._path.unlink(missing_ok=True)
            _shut(self._listener)
        with self._lock:
            callers = dict(self._callers)
        for thread in callers.values():
            thread.join(max(0.0, until - time.monotonic()))
        for caller, thread in callers.items():
            if thread.is_alive():
                with suppress(OSError):
                    caller.answer(caller.left())
                _shut(caller.sender)

    @property
    def has_senders(self) -> bool:
        """Somebody hands a stream over, or isn't told yet how it ended. Not counting who went away, and whose job the
        core is silent on, which may be for good."""
        with self._lock:
            return any(not (caller.core_away or caller.is_gone) for caller in self._callers)

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while not self._closing.is_set():
                try:
                    sender, _ = listener.accept()
                except OSError:
                    return
                caller = _Caller(sender)
                thread = threading.Thread(target=self._serve, args=(caller,), name="stream sender", daemon=True)
                with self._lock:
                    self._callers[caller] = thread
                    thread.start()

    def _serve(self, caller: _Caller) -> None:
        with caller.sender:
            try:
                self._talk(caller)
            except (OSError, ConnectionCut) as error:
                log.info("a sender of a stream went away", detail=str(error))
            finally:
                with self._lock:
                    del self._callers[caller]

    def _talk(self, caller: _Caller) -> None:
        caller.sender.settimeout(HELLO_S)
        kind, content = receive_frame(caller.sender)
        hello = _greeting(kind, content)
        token = self._handed.wait(caller.sender, hello.timeout_s)
        try:
            if not self._core_can:
                raise CoreTakesNoStreams()
            caller.name = hello.name
            asked = OwnStreamRequest(number=0, token=token, name=hello.name, tags=hello.tags)
            job = self._link.request_blocking(asked, ASK_S).job
            log.info("a stream waits for its backup", stream=hello.name, job=job)
            caller.taken(job)
            over = self._over(caller, job)
            result = caller.left() if over is None else _result(over)
        except PhoenixError as error:
            result = StreamResult(error=error.view())
        finally:
            self._handed.forget(token)
        caller.answer(result)

    def _over(self, caller: _Caller, job: str) -> OwnStreamAnswer | None:
        """How the job ended; a core that is away is asked again. None: the agent stopped first. Raises LinkClosed, and
        what the core answers."""
        while not self._closing.wait(self._look_s):
            answer = self._asked(job, ASK_S)
            caller.core_away = answer is None
            caller.is_gone = _hung_up(caller.sender)
            if answer is not None and answer.is_over:
                return answer
        until = time.monotonic() + self._close_s
        while (left_s := until - time.monotonic()) > 0:
            answer = self._asked(job, left_s)
            if answer is None or answer.is_over:
                return answer
            if answer.state != JobState.RUNNING:
                return None
            time.sleep(LAST_LOOK_S)  # it ended with the agent, and the core is about to know
        return None

    def _asked(self, job: str, timeout_s: float) -> OwnStreamAnswer | None:
        """None: the core is away."""
        with suppress(CoreAway):
            return self._link.request_blocking(OwnStreamRequest(number=0, job=job), timeout_s)
        return None


def _result(over: OwnStreamAnswer) -> StreamResult:
    return StreamResult(over.job, over.state, over.snapshot_id, over.failure)


def _hung_up(sender: socket.socket) -> bool:
    """Also where something that it sent is still unread."""
    poll = select.poll()
    poll.register(sender, 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))


def _greeting(kind: bytes, content: bytes) -> StreamHello:
    """Raises ConnectionCut."""
    if kind != HELLO:
        raise ConnectionCut("no greeting")
    try:
        return msgspec.json.decode(content, type=StreamHello)
    except msgspec.MsgspecError as error:
        raise ConnectionCut(str(error)) from error


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
