"""What goes over the agent's socket for streams, between a sender on the same host and the agent:

    frame  = kind (1 byte) · length (4 bytes, big-endian) · that many bytes
    sender → agent   HELLO (JSON), then DATA as often as wanted, then ENDED, or GAVE_UP with the reason
    agent → sender   TAKEN (JSON) once there is a job, RESULT (JSON) when it is over; either may come at any time

Only ENDED makes a stream whole: one whose sender was killed, or whose connection was lost, has none.
"""

import socket
import struct
from typing import Annotated

import msgspec

from phoenix_core.domain.errors import ErrorView

HELLO, DATA, ENDED, GAVE_UP = b"h", b"d", b"e", b"x"
TAKEN, RESULT = b"t", b"r"
SOCKET = "streams.sock"
"""In the agent's folder."""
DATA_MAX = 1 << 20
WORDS_MAX = 64 << 10
TIMEOUT_S = 86_400
"""So long a sender may be waited for, all in all, where it names no time."""
HEAD = struct.Struct(">cI")


class StreamHello(msgspec.Struct, frozen=True):
    name: str
    tags: tuple[str, ...] = ()
    timeout_s: Annotated[int, msgspec.Meta(ge=1)] = TIMEOUT_S
    """How long the sender may be waited for, from when its backup begins to read it; then the stream is cut."""


class StreamTaken(msgspec.Struct, frozen=True):
    job: str


class StreamResult(msgspec.Struct, frozen=True):
    job: str = ""
    state: str = ""
    """As `JobState` has it."""
    snapshot_id: str = ""
    """The restore point that it is; empty: none was made."""
    error: ErrorView | None = None


class ConnectionCut(Exception):
    """The other end went away, or says what makes no sense."""


def send_frame(to: socket.socket, kind: bytes, content: bytes = b"") -> None:
    """Raises OSError."""
    to.sendall(HEAD.pack(kind, len(content)) + content if len(content) <= WORDS_MAX else HEAD.pack(kind, len(content)))
    if len(content) > WORDS_MAX:
        to.sendall(content)


def receive_frame(of: socket.socket, longest: int = WORDS_MAX) -> tuple[bytes, bytes]:
    """A whole frame. Raises OSError, ConnectionCut."""
    kind, length = HEAD.unpack(_exactly(of, HEAD.size))
    if length > longest:
        raise ConnectionCut(f"a frame of {length} bytes")
    return kind, _exactly(of, length)


def _exactly(of: socket.socket, count: int) -> bytes:
    got = bytearray()
    while len(got) < count:
        piece = of.recv(count - len(got))
        if not piece:
            raise ConnectionCut("it went away")
        got += piece
    return bytes(got)
