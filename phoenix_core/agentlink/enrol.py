"""Enrolment, the peer's side: from an activation token to a state folder with a certificate of the core's CA.

The token's fingerprint settles whom to trust: the CA's certificate is fetched first, without trusting the connection,
and compared; only then, over TLS verified against that CA, does the secret leave this host.
"""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core import __version__
from phoenix_core.agentlink import activation
from phoenix_core.agentlink.activation import ActivationToken
from phoenix_core.agentlink.ca import fingerprint_of
from phoenix_core.agentlink.certificates import make_request
from phoenix_core.agentlink.dial import CA_PATH, ENROL_PATH, address_of, http_session, proxy_arguments
from phoenix_core.agentlink.errors import (
    AlreadyEnrolled,
    CoreUnreachable,
    LinkError,
    NotEnrolled,
    StateUnwritable,
    UntrustedCore,
    from_view,
)
from phoenix_core.agentlink.frames import UNREADABLE
from phoenix_core.agentlink.messages import PROTOCOL_VERSION
from phoenix_core.agentlink.peerstate import PeerFile, PeerState, write_identity
from phoenix_core.agentlink.proxy import proxy_for
from phoenix_core.agentlink.tlserrors import explain
from phoenix_core.agentlink.tlsfiles import client_context_pem
from phoenix_core.domain.errors import ErrorView
from phoenix_core.host.atomicfile import make_folders, write_atomic

TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 256 << 10


class EnrolRequest(msgspec.Struct, frozen=True):
    """Peer → core, JSON, POST /link/v1/enrol."""

    protocol: int
    secret: bytes
    role: str
    hostname: str
    platform: str
    version: str
    csr_pem: str
    machine_id: str = ""
    url: str = ""
    """Where a storage node will be reached, `https://host:port`."""

    def __repr__(self) -> str:
        return f"EnrolRequest(role={self.role!r}, hostname={self.hostname!r}, …)"


class EnrolAnswer(msgspec.Struct, frozen=True):
    """Core → peer."""

    peer_id: str
    name: str
    certificate_pem: str
    ca_pem: str
    urls: tuple[str, ...] = ()
    """Where the core can be reached from now on; empty: as in the token."""
    role_config: bytes = b""
    """What the role needs to know besides, in a form of its own; a storage node: its vault."""


class Enrolment(msgspec.Struct, frozen=True):
    """What came of it, for people to read."""

    peer_id: str
    name: str
    role: str
    urls: tuple[str, ...]
    role_config: bytes = b""
    """What the core gave along for this role."""


async def enrol(
    token: str | ActivationToken,
    state_dir: Path,
    role: str,
    *,
    hostname: str,
    platform: str,
    machine_id: str = "",
    url: str = "",
    again: bool = False,
) -> Enrolment:
    """Enrol this host as `role` (`agent`, `storage`) and write the state folder. `url`: where a storage node will be.

    Raises TokenMalformed, TokenOfOtherVersion, AlreadyEnrolled (unless `again`), StateUnwritable, UntrustedCore,
    CoreUnreachable, ProxyUnusable, and what the core answers: TokenForged, TokenExpired, TokenUsed, TokenForOtherRole,
    ProtocolMismatch."""
    token = activation.decode(token) if isinstance(token, str) else token
    await asyncio.to_thread(_prepare_folder, state_dir, again)
    key = Ed25519PrivateKey.generate()
    request = EnrolRequest(
        protocol=PROTOCOL_VERSION,
        secret=token.secret,
        role=role,
        hostname=hostname,
        platform=platform,
        version=__version__,
        csr_pem=make_request(key),
        machine_id=machine_id,
        url=url,
    )
    answered_at, answer = await _first_that_answers(token, request)
    urls = answer.urls or (answered_at, *(other for other in token.urls if other != answered_at))
    peer = PeerFile(peer_id=answer.peer_id, name=answer.name, role=role, urls=urls)
    try:
        await asyncio.to_thread(write_identity, state_dir, key, answer.certificate_pem, answer.ca_pem, peer)
    except OSError as error:
        raise StateUnwritable(path=state_dir, detail=error.strerror or str(error)) from error
    return Enrolment(peer_id=peer.peer_id, name=peer.name, role=role, urls=urls, role_config=answer.role_config)


def _prepare_folder(folder: Path, again: bool) -> None:
    """See that the identity can be kept, before the token is used up."""
    try:
        held = PeerState.load(folder)
    except NotEnrolled:
        held = None
    if held is not None and not again:
        raise AlreadyEnrolled(path=folder, name=held.peer.name, urls=" ".join(held.peer.urls))
    try:
        make_folders(folder)
        write_atomic(folder / ".enrolling", b"")
        (folder / ".enrolling").unlink()
    except OSError as error:
        raise StateUnwritable(path=folder, detail=error.strerror or str(error)) from error


async def _first_that_answers(token: ActivationToken, request: EnrolRequest) -> tuple[str, EnrolAnswer]:
    """The addresses in turn; only those that can't be reached or aren't the core lead to the next one."""
    problem: LinkError | None = None
    for url in token.urls:
        try:
            return url, await _enrol_at(url.rstrip("/"), token.ca_fingerprint, request)
        except CoreUnreachable as error:
            problem = problem or error
        except UntrustedCore as error:  # says more than that another address can't be reached
            problem = error
    assert problem is not None
    raise problem


async def _enrol_at(url: str, fingerprint: bytes, request: EnrolRequest) -> EnrolAnswer:
    address = address_of(url)
    proxy = proxy_arguments(proxy_for(url))
    try:
        async with http_session(_unverified(), TIMEOUT_S) as session, session.get(url + CA_PATH, **proxy) as response:
            ca_pem = (await answer_of(response, address)).decode("utf-8", "replace")
        _check_fingerprint(ca_pem, fingerprint, address)
        context = client_context_pem(ca_pem)
        body = msgspec.json.encode(request)
        async with (
            http_session(context, TIMEOUT_S) as session,
            session.post(url + ENROL_PATH, data=body, **proxy) as response,
        ):
            answer = await answer_of(response, address)
    except (OSError, aiohttp.ClientError) as error:
        raise explain(error, address) from error
    try:
        return msgspec.json.decode(answer, type=EnrolAnswer)
    except UNREADABLE as error:
        raise CoreUnreachable(address=address, detail="its answer can't be read") from error


def _unverified() -> ssl.SSLContext:
    """For fetching the CA's certificate only, whose fingerprint is known; nothing is sent that matters."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _check_fingerprint(ca_pem: str, expected: bytes, address: str) -> None:
    try:
        found = fingerprint_of(ca_pem)
    except ValueError as error:
        raise UntrustedCore(address=address, detail="it sent no certificate authority") from error
    if found != expected:
        raise UntrustedCore(
            address=address,
            detail=f"the fingerprint of its authority is {found.hex()[:16]}…, in the token {expected.hex()[:16]}…",
        )


async def answer_of(response: aiohttp.ClientResponse, address: str) -> bytes:
    """The answer's body. Raises what the core refuses with, CoreUnreachable."""
    body = bytearray()
    async for part in response.content.iter_chunked(1 << 16):
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise CoreUnreachable(address=address, detail="its answer is too long to be that of a core")
    if response.status == 200:
        return bytes(body)
    try:
        view = msgspec.json.decode(bytes(body), type=ErrorView)
    except UNREADABLE as error:
        raise CoreUnreachable(address=address, detail=f"it answered with HTTP status {response.status}") from error
    raise from_view(view)
