"""The agent's socket for streams, `streams.sock` in its folder, open to the agent's own user alone: a sender on this
host names a stream; the agent asks the core for the job, tells the sender how it ends, and meanwhile the job reads.
"""

import socket
import threading
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
from phoenix_core.host.unixsocket import listen_unix

ASK_S = 60.0
LOOK_S = 1.0
HELLO_S = 30.0

log = structlog.get_logger(__name__)


class CoreTakesNoStreams(AgentError):
    code = "core_takes_no_streams"
    template = "The core isn't connected, or is too old to take streams that are handed to its agents."
    hint = "See that the agent is connected (its log says so); else upgrade the core, or use a script on this server."
    retryable = True


class OwnStreamLink(Protocol):
    def request_blocking(self, request: OwnStreamRequest, timeout_s: float) -> OwnStreamAnswer: ...


class StreamDoor:
    def __init__(self, link: OwnStreamLink, handed: HandedStreams, folder: Path, *, look_s: float = LOOK_S) -> None:
        self._link = link
        self._handed = handed
        self._path = folder / SOCKET
        self._look_s = look_s
        self._core_can = False
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._senders: set[socket.socket] = set()
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
        """Nobody comes in any more; who is in is told no more. Not on an event loop."""
        self._closing.set()
        if self._listener is not None:
            self._path.unlink(missing_ok=True)
            _shut(self._listener)
        with self._lock:
            senders = list(self._senders)
        for sender in senders:
            _shut(sender)

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while not self._closing.is_set():
                try:
                    sender, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=self._serve, args=(sender,), name="stream sender", daemon=True).start()

    def _serve(self, sender: socket.socket) -> None:
        with sender:
            with self._lock:
                self._senders.add(sender)
            try:
                self._talk(sender)
            except (OSError, ConnectionCut) as error:
                log.info("a sender of a stream went away", detail=str(error))
            finally:
                with self._lock:
                    self._senders.discard(sender)

    def _talk(self, sender: socket.socket) -> None:
        sender.settimeout(HELLO_S)
        kind, content = receive_frame(sender)
        hello = _greeting(kind, content)
        token = self._handed.wait(sender, hello.timeout_s)
        try:
            if not self._core_can:
                raise CoreTakesNoStreams()
            asked = OwnStreamRequest(number=0, token=token, name=hello.name, tags=hello.tags)
            job = self._link.request_blocking(asked, ASK_S).job
            log.info("a stream waits for its backup", stream=hello.name, job=job)
            send_frame(sender, TAKEN, msgspec.json.encode(StreamTaken(job)))
            over = self._over(job)
            result = StreamResult(job, over.state, over.snapshot_id, over.failure)
        except PhoenixError as error:
            result = StreamResult(error=error.view())
        finally:
            self._handed.forget(token)
        send_frame(sender, RESULT, msgspec.json.encode(result))

    def _over(self, job: str) -> OwnStreamAnswer:
        """How the job ended; a core that is away is asked again. Raises LinkClosed, and what the core answers."""
        while True:
            if self._closing.wait(self._look_s):
                raise ConnectionCut("the agent stops")
            try:
                answer = self._link.request_blocking(OwnStreamRequest(number=0, job=job), ASK_S)
            except CoreAway:
                continue
            if answer.is_over:
                return answer


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
