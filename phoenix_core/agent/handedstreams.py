"""Streams that somebody on this host hands to the agent, until their backup's order comes; then it reads them."""

import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from phoenix_core.agent.errors import AgentError
from phoenix_core.agent.streamframes import DATA, DATA_MAX, ENDED, GAVE_UP, HEAD, TIMEOUT_S, WORDS_MAX
from phoenix_core.domain.amounts import amount

POLL_S = 0.2


class StreamNotWaiting(AgentError):
    code = "stream_not_waiting"
    template = "Nobody hands the stream {name} to this agent any more."
    hint = "What was sent before can't be sent again by itself: start the sender once more."


class StreamCut(AgentError):
    code = "stream_cut"
    template = "The stream {name} did not end as it should: {detail}. There is no snapshot of it."
    hint = "Start the sender once more; `phoenix agent stream --timeout` says how long it may take."


class HandedStreams:
    """Those who wait. Used from any thread."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[socket.socket, int]] = {}

    def wait(self, sender: socket.socket, timeout_s: int = TIMEOUT_S) -> str:
        """From now on an order may take it; what names it there. `timeout_s`: how long it may then be waited for."""
        token = secrets.token_hex(16)
        with self._lock:
            self._waiting[token] = sender, timeout_s
        return token

    def forget(self, token: str) -> None:
        with self._lock:
            self._waiting.pop(token, None)

    def take(self, token: str, name: str, tick: Callable[[], None]) -> "HandedStream":
        """Once. Raises StreamNotWaiting."""
        with self._lock:
            waiting = self._waiting.pop(token, None)
        if waiting is None:
            raise StreamNotWaiting(name=name)
        return HandedStream(*waiting, name, tick, self._monotonic_s)


class HandedStream:
    """Reads what a sender hands over. `read_into` until it gives 0, then `finish`; `tick` is called several times a
    second while the sender is waited for, and what it raises comes out."""

    def __init__(
        self,
        sender: socket.socket,
        timeout_s: int,
        name: str,
        tick: Callable[[], None],
        monotonic_s: Callable[[], float],
    ) -> None:
        """The socket stays its owner's, who closes it. `timeout_s`: how long the sender may be waited for, all in all.
        One that hangs would hold up all backups of its server; one that waits for a slow storage does not."""
        self._sender = sender
        self._timeout_s = timeout_s
        self._monotonic_s = monotonic_s
        self._waited_s = 0.0
        self._name = name
        self._tick = tick
        self._left = 0
        self._ended = False

    def __enter__(self) -> Self:
        self._sender.settimeout(POLL_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None

    def read_into(self, view: memoryview) -> int:
        """Some bytes; 0 once the sender said that it has ended. Raises StreamCut."""
        while not self._left and not self._ended:
            self._next_frame()
        if self._ended:
            return 0
        count = self._receive(view[: min(len(view), self._left)])
        self._left -= count
        return count

    def finish(self) -> None:
        """Raises StreamCut unless the sender said that it ended well."""
        if not self._ended:
            raise self._cut("its sender did not say that it was over")

    def _next_frame(self) -> None:
        head = bytearray(HEAD.size)
        self._exactly(head)
        try:
            kind, length = HEAD.unpack(head)
        except struct.error as error:
            raise self._cut(str(error)) from error
        if kind == ENDED:
            self._ended = True
        elif kind == GAVE_UP and length <= WORDS_MAX:
            words = bytearray(length)
            self._exactly(words)
            raise self._cut(words.decode("utf-8", "replace"))
        elif kind == DATA and length <= DATA_MAX:
            self._left = length
        else:
            raise self._cut("its sender says what no sender says")

    def _exactly(self, into: bytearray) -> None:
        view = memoryview(into)
        while view:
            view = view[self._receive(view) :]

    def _receive(self, view: memoryview) -> int:
        while True:
            if self._waited_s >= self._timeout_s:
                raise self._cut(
                    f"its sender was waited for longer than its time-out of {amount(self._timeout_s, 'second')}"
                )
            since_s = self._monotonic_s()
            try:
                count = self._sender.recv_into(view)
            except TimeoutError:
                self._tick()
                continue
            except OSError as error:
                raise self._cut(error.strerror or str(error)) from error
            finally:
                self._waited_s += self._monotonic_s() - since_s
            if not count:
                raise self._cut("its sender went away")
            return count

    def _cut(self, detail: str) -> StreamCut:
        return StreamCut(name=self._name, detail=detail)
