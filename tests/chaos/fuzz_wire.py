"""What comes from peers: frames and messages of the link, enrolment, calls of the storage node, tokens."""

import asyncio
import base64
import contextlib
import functools
import hashlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import msgspec

from phoenix_core.agentlink import activation, enrolment, frames
from phoenix_core.agentlink.ca import check_request
from phoenix_core.agentlink.enrol import EnrolRequest
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.storage import service, tokens, wire
from phoenix_core.storage.client import RemoteCoreNode, RemoteJobNode
from phoenix_core.storage.connection import NodeConnection
from phoenix_core.storage.errors import NotAllowed
from phoenix_core.storage.frames import ConnectionEnded, receive_frame
from phoenix_core.storage.handover import HandoverServer
from phoenix_core.storage.handover_client import SocketJobNode
from tests.agentlink.golden_messages import EXAMPLES
from tests.chaos.fuzz_mutate import altered, altered_json, mutated
from tests.chaos.fuzz_target import Target, View
from tests.storage.test_wire import PINNED
from tests.vault.memory_vault import KEY, VAULT_ID

# --- the link --------------------------------------------------------------------------------------------------------

_MESSAGES = [frames.encode(each) for each in EXAMPLES.values()]


def _link(data: bytes) -> None:
    first: PhoenixError | None = None
    for decode in (frames.decode_from_peer, frames.decode_from_core, frames.decode_hello):
        try:
            decode(data)
        except PhoenixError as error:
            first = first or error
    if first is not None:
        raise first


_CSR = "-----BEGIN CERTIFICATE REQUEST-----\nMIGZME0CAQAwGjEYMBYGA1UEAwwPcGhvZW5peCByZXF1ZXN0MCowBQYDK2VwAyEA\n"
_ENROL = msgspec.json.encode(
    EnrolRequest(
        protocol=1,
        secret=bytes(32),
        role="agent",
        hostname="h",
        platform="p",
        version="1",
        csr_pem=_CSR,
        machine_id="0",
    )
)


class _Content:
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        for at in range(0, len(self._data), size):
            yield self._data[at : at + size]


class _Asked:
    """As much of an HTTP request as enrolment reads."""

    def __init__(self, data: bytes) -> None:
        self.content = _Content(data)


_loop = functools.cache(asyncio.new_event_loop)


def _enrol(data: bytes) -> None:
    asked: Any = _Asked(data)
    check_request(_loop().run_until_complete(enrolment._read(asked)).csr_pem)


# --- the storage node ------------------------------------------------------------------------------------------------

_FRAMES = [wire.encode(each) for each in PINNED.values() if isinstance(each, wire.Request)]
_CALLS = [wire.encode(each.call) for each in PINNED.values() if isinstance(each, wire.Request)]
_CALLS += [wire.encode(each) for each in PINNED.values() if isinstance(each, wire.Call)]
_RESULTS = [wire.encode(each) for each in PINNED.values() if not isinstance(each, wire.Request | wire.Call)]
_ANSWERS = [wire.encode(wire.Answer(result=each)) for each in PINNED.values()]
_ANSWERS += [wire.encode(each) for each in PINNED.values() if isinstance(each, wire.Answer)]


class _Nobody:
    """A desk that lets nobody do anything."""

    def __getattr__(self, name: str) -> Any:
        def refuse(*arguments: object) -> None:
            raise NotAllowed(rights="none", action=name)

        return refuse


def _call(data: bytes) -> None:
    errors: list[PhoenixError] = []
    for decode in (wire.decode_job_call, wire.decode_core_call):
        try:
            service._decoded(decode, bytearray(data))
        except PhoenixError as error:
            errors.append(error)
    if len(errors) == 2:
        raise errors[0]


def _handed(data: bytes) -> None:
    """A frame's body, answered by the real server."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        server = HandoverServer(_Nobody(), Path("/nowhere"))  # type: ignore[arg-type]
        server._answer(ours, bytearray(data), -1)
        answer = wire.decode_answer(receive_frame(theirs, 1 << 20)[0])
        assert answer.error is not None
        assert answer.error.code != "storage_failed", answer.error.message


_ID = ChunkId(bytes(32))


def _answered(data: bytes) -> None:
    """What a job makes of a node's answer over the socket."""
    node = SocketJobNode(Path("/nowhere"), "token")
    node._round_trip = lambda body, fd: (bytearray(data), -1)  # type: ignore[method-assign]
    _every_answer(node)


def _result(data: bytes) -> None:
    """And over HTTPS; and what a core makes of it."""
    connection = NodeConnection("https://127.0.0.1:1", ssl.create_default_context)
    connection.request = lambda *arguments, **options: (200, data)  # type: ignore[method-assign]
    core = RemoteCoreNode(connection, lambda: "token")
    _every_answer(RemoteJobNode(connection, "token"))
    for ask in (core.status, core.leases, core.snapshots, core.records, core.void_sweeps):
        _quietly(ask)


def _every_answer(node: SocketJobNode | RemoteJobNode) -> None:
    for ask in (
        lambda: node.present([_ID]),
        lambda: node.locate([_ID]),
        lambda: node.stage_snapshot(b"x"),
        node.renew_lease,
    ):
        _quietly(ask)


def _quietly(ask: Callable[[], object]) -> None:
    with contextlib.suppress(PhoenixError):
        ask()


def _framed(data: bytes) -> None:
    """Bytes on the socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        try:
            receive_frame(ours, 1 << 20)
        except ConnectionEnded as error:
            raise PhoenixError(detail=str(error)) from error


WIRE = Target(
    "wire messages",
    (
        View("link", altered, _MESSAGES, _link),
        View("enrolment", altered_json, [_ENROL], _enrol),
        View("calls over HTTPS", altered, _CALLS, _call),
        View("calls over the socket", altered, _FRAMES, _handed),
        View("answers over the socket", altered, _ANSWERS, _answered),
        View("answers over HTTPS", altered, _RESULTS, _result),
        View("frames", mutated, [len(each).to_bytes(4, "little") + each for each in _FRAMES], _framed),
    ),
)


# --- tokens ----------------------------------------------------------------------------------------------------------

_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_SIGNING = KEY.token_signing_key()
_TOKEN = tokens.mint(
    _SIGNING, VAULT_ID, tokens.StorageToken("j1", "s1", "l1", "backup", "default", int(_NOW.timestamp()) + 900)
)
_CLAIMS = json.dumps(jwt.decode(_TOKEN, options={"verify_signature": False})).encode()
_ACTIVATION = activation.encode(activation.ActivationToken(("https://h:1",), bytes(32), bytes(32)))


_ACTIVATION_BODY = msgspec.msgpack.encode([["https://h:1"], bytes(32), bytes(32)])


def _verify(data: bytes) -> None:
    tokens.verify(KEY.token_public_key(), VAULT_ID, data.decode("latin-1"), _NOW)


def _signed(claims: bytes) -> None:
    """Whatever the payload is, the signature holds."""
    head = base64.urlsafe_b64encode(b'{"alg":"EdDSA","typ":"JWT"}').rstrip(b"=")
    said = head + b"." + base64.urlsafe_b64encode(claims).rstrip(b"=")
    _verify(said + b"." + base64.urlsafe_b64encode(_SIGNING.sign(said)).rstrip(b"="))


def _activate(data: bytes) -> None:
    activation.decode(data.decode("latin-1"))


def _checked(body: bytes) -> None:
    whole = body + hashlib.sha256(body).digest()[:4]
    activation.decode("phx1." + base64.urlsafe_b64encode(whole).rstrip(b"=").decode())


_HEADERS = [b'{"alg":"EdDSA","typ":"JWT"}', b'{"alg":"HS256","kid":"x","crit":["a"],"b64":false}']


def _headed(header: bytes) -> None:
    _verify(base64.urlsafe_b64encode(header).rstrip(b"=") + _TOKEN.encode()[_TOKEN.index(".") :])


TOKENS = Target(
    "tokens",
    (
        View("storage token", mutated, [_TOKEN.encode()], _verify),
        View("its header", altered_json, _HEADERS, _headed),
        View("its claims, signed", altered_json, [_CLAIMS], _signed),
        View("activation token", mutated, [_ACTIVATION.encode()], _activate),
        View("behind its check", altered, [_ACTIVATION_BODY], _checked),
    ),
)
TARGETS = (WIRE, TOKENS)
