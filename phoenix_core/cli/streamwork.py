"""What `agent stream` does: hands standard input, or what a command prints, to this host's agent as a stream."""

import asyncio
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from phoenix_core.agent.errors import AgentError
from phoenix_core.agent.handedstreams import StreamCut
from phoenix_core.agent.scripts import GRACE_S, end_of
from phoenix_core.agent.streamframes import (
    DATA,
    ENDED,
    GAVE_UP,
    HELLO,
    RESULT,
    SOCKET,
    ConnectionCut,
    StreamHello,
    StreamResult,
    StreamTaken,
    receive_frame,
    send_frame,
)
from phoenix_core.cli.errors import AgentAbsent
from phoenix_core.cli.output import print_json, say, warn
from phoenix_core.domain.errors import EXIT_DONE, PhoenixError, RemoteError, UsageError
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.unixsocket import socket_address
from phoenix_core.rollout.services import AGENT_DATA

PIECE_BYTES = 256 << 10
POLL_S = 0.2
INTERRUPT_S = 0.5
"""So long after the end of standard input, or of the command, Ctrl-C is waited for."""


class StreamUnconfirmed(AgentError):
    code = "stream_unconfirmed"
    template = "The agent went away before it was known whether there is a snapshot of the stream."
    hint = "See at the core how its job ended: `phoenix job list`. If it failed, start the sender once more."


class StandardInputEmpty(AgentError):
    code = "standard_input_empty"
    template = "Standard input was empty, so there is no snapshot of the stream {name}."
    hint = (
        "See why the program before the pipe printed nothing; named after `--` instead, its exit code decides. Where "
        "nothing is what you mean to back up, say --allow-empty."
    )


async def hand_over(
    data: Path | None, hello: StreamHello, command: Sequence[str], *, allow_empty: bool = False, as_json: bool
) -> int:
    """0 only when the core has recorded the snapshot.

    Raises UsageError, AgentAbsent, StandardInputEmpty, StreamUnconfirmed; RemoteError with why there is no snapshot."""
    if not command and sys.stdin.isatty():
        raise UsageError(detail="Standard input is a terminal: pipe a program into this, or name it after `--`.")
    path = DataDirectory(data or AGENT_DATA).agent / SOCKET
    sender = Sender(path, hello, allow_empty=allow_empty, quiet=as_json)
    try:
        result = await asyncio.to_thread(sender.run, command)
    except asyncio.CancelledError:
        sender.stop()
        raise
    if result.error is not None:
        raise RemoteError(result.error)
    if not result.snapshot_id:
        raise PhoenixError(detail=f"job {result.job} is {result.state} and made no snapshot")
    if as_json:
        print_json(result)
    else:
        say(f"Snapshot {result.snapshot_id[:12]}, by job {result.job}.")
    return EXIT_DONE


class Sender:
    """One stream on its way to the agent. `run` it in a thread; `stop` may come from another."""

    def __init__(self, path: Path, hello: StreamHello, *, allow_empty: bool = False, quiet: bool = False) -> None:
        """`allow_empty`: standard input without a byte counts, too."""
        self._path = path
        self._hello = hello
        self._allow_empty = allow_empty
        self._quiet = quiet
        self._stopped = threading.Event()
        self._agent: socket.socket | None = None
        self._any = False
        """There was something to send."""
        self._was_empty = False
        """The agent was told that there was nothing."""

    def stop(self) -> None:
        """The stream counts as cut off, unless the agent was told of its end before."""
        self._stopped.set()
        if self._agent is not None:
            with suppress(OSError):
                self._agent.shutdown(socket.SHUT_RDWR)

    def run(self, command: Sequence[str]) -> StreamResult:
        """Send standard input, or what the command prints, and wait for the end of its job. Blocks.

        Raises UsageError where the command can't be started, AgentAbsent, StandardInputEmpty, StreamUnconfirmed."""
        with self._connected() as agent:
            if not command:
                return self._of_input(self._pump(agent, sys.stdin.fileno(), None))
            try:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            except OSError as error:
                raise UsageError(detail=f"{command[0]} can't be started: {error.strerror or error}.") from error
            with process:
                assert process.stdout is not None
                try:
                    return self._pump(agent, process.stdout.fileno(), process)
                finally:
                    _end(process)

    def _of_input(self, result: StreamResult) -> StreamResult:
        """The agent only hears that the stream is cut; here there is more to say."""
        cut = result.error is not None and result.error.code == StreamCut.code
        if cut and self._was_empty:
            raise StandardInputEmpty(name=self._hello.name)
        return result

    def _connected(self) -> socket.socket:
        agent = self._agent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            with socket_address(self._path) as address:
                agent.connect(address)
            send_frame(agent, HELLO, msgspec.json.encode(self._hello))
        except OSError as error:
            agent.close()
            raise AgentAbsent(path=self._path, detail=(error.strerror or str(error)).lower()) from error
        return agent

    def _pump(self, agent: socket.socket, source: int, process: "subprocess.Popen[bytes] | None") -> StreamResult:
        watched = [agent.fileno(), source]
        all_read = told = False
        while True:
            ready, _, _ = select.select(watched, [], [], POLL_S if all_read and not told else None)
            try:
                if agent.fileno() in ready:
                    result = self._heard(agent)
                    if result is not None:
                        return result
                if source in ready and not self._sent(agent, source):
                    watched.remove(source)
                    all_read = True
                told = told or (all_read and self._told(agent, process))
            except (BrokenPipeError, ConnectionResetError):
                # It listens no more, and left some of this unread; what it said before, which is why, lies here.
                watched, told = [agent.fileno()], True
            except (OSError, ConnectionCut) as error:
                raise StreamUnconfirmed() from error

    def _heard(self, agent: socket.socket) -> StreamResult | None:
        kind, content = receive_frame(agent)
        if kind == RESULT:
            return msgspec.json.decode(content, type=StreamResult)
        job = msgspec.json.decode(content, type=StreamTaken).job
        if not self._quiet:
            warn(f"Job {job} takes the stream {self._hello.name}.")
        return None

    def _sent(self, agent: socket.socket, source: int) -> bool:
        """False: that was all."""
        try:
            piece = os.read(source, PIECE_BYTES)
        except OSError as error:
            raise ConnectionCut(str(error)) from error
        if piece:
            self._any = True
            send_frame(agent, DATA, piece)
        return bool(piece)

    def _told(self, agent: socket.socket, process: "subprocess.Popen[bytes] | None") -> bool:
        """Whether it was told that what was sent is whole, or why not; False: the command still runs. Raises
        ConnectionCut where `stop` was called."""
        if process is not None and process.poll() is None:
            return False
        # Ctrl-C ends the command, or what writes into the pipe, as well: its end must not be taken for a good one.
        if self._stopped.wait(INTERRUPT_S):
            raise ConnectionCut("stopped")
        how = end_of(process.returncode) if process else ""
        detail = f"the command that prints it {how}" if how else ""
        self._was_empty = process is None and not (self._any or self._allow_empty)
        if self._was_empty:
            detail = "standard input was empty"  # a program that isn't there leaves a pipe just as empty
        send_frame(agent, GAVE_UP if detail else ENDED, detail.encode())
        return True


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
    process.kill()
