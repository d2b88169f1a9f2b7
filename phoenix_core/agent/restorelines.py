"""What goes over the agent's socket for its own restores, between a command on the same host and the agent: one JSON
object a line, of which the command says the first.

    command → agent   ListSnapshots, or StartRestore
    agent → command   Listed; or Begun once there is a job, then Ended; or Refused, in place of any of them
"""

import msgspec

from phoenix_core.agentlink.ownrestore import OwnJobAnswer, OwnSnapshot
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.states import ConflictRule

SOCKET = "restores.sock"
"""In the agent's folder."""
LINE_MAX = 32 << 20


class _Line(msgspec.Struct, frozen=True, tag_field="type", tag=True, omit_defaults=True):
    pass


class ListSnapshots(_Line, frozen=True):
    limit: int


class StartRestore(_Line, frozen=True):
    snapshot: str
    paths: tuple[bytes, ...] = ()
    """Absolute, in the snapshot; none: everything."""
    destination: bytes = b""
    """Absolute; empty: the original place."""
    conflict: ConflictRule | None = None
    wait: bool = True


class Listed(_Line, frozen=True):
    snapshots: tuple[OwnSnapshot, ...]


class Begun(_Line, frozen=True):
    job: str


class Ended(_Line, frozen=True):
    job: OwnJobAnswer


class Refused(_Line, frozen=True):
    error: ErrorView


Wish = ListSnapshots | StartRestore
Answer = Listed | Begun | Ended | Refused
_encode = msgspec.json.Encoder().encode
_wish: msgspec.json.Decoder[Wish] = msgspec.json.Decoder(Wish)
_answer: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def line_of(what: Wish | Answer) -> bytes:
    return _encode(what) + b"\n"


def read_wish(line: bytes) -> Wish:
    """Raises msgspec.MsgspecError."""
    return _wish.decode(line)


def read_answer(line: bytes) -> Answer:
    """Raises msgspec.MsgspecError."""
    return _answer.decode(line)
