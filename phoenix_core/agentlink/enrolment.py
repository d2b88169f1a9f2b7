"""Enrolment, the core's side: two routes that need no client certificate. Who may enrol, `Enroller` decides."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog
from aiohttp import web

from phoenix_core.agentlink.activation import secret_hash
from phoenix_core.agentlink.ca import PEER_DAYS, CertificateAuthority, IssuedCertificate, check_request
from phoenix_core.agentlink.certificates import AGENT, PEER_ROLES
from phoenix_core.agentlink.dial import CA_PATH, ENROL_PATH
from phoenix_core.agentlink.enrol import EnrolAnswer, EnrolRequest
from phoenix_core.agentlink.errors import EnrolmentRefused, TokenForOtherRole
from phoenix_core.agentlink.frames import UNREADABLE
from phoenix_core.agentlink.served import check_protocol, check_version
from phoenix_core.domain.errors import PhoenixError

MAX_REQUEST_BYTES = 64 << 10
READ_TIMEOUT_S = 15.0

log = structlog.get_logger(__name__)


class Grant(msgspec.Struct, frozen=True):
    """What a token's secret entitles to."""

    peer_id: str
    name: str
    role: str
    role_config: bytes = b""
    """For `EnrolAnswer.role_config`."""


class Enroller(Protocol):
    """Keeps tokens and peers; the core implements it over its catalog."""

    async def redeem(self, secret_hash: str, request: EnrolRequest) -> Grant:
        """Use the token up and name the peer.

        Raises TokenForged, TokenExpired, TokenUsed, TokenForOtherRole; of two at once only one succeeds."""

    async def enrolled(self, grant: Grant, request: EnrolRequest, certificate: IssuedCertificate) -> None:
        """Keep the peer and its certificate, durably, before the peer gets it."""


class EnrolmentService:
    """`urls` gives the addresses that an enrolled peer is to dial (empty: those of its token), `certificate_days` how
    long a certificate issued now lasts."""

    def __init__(
        self,
        ca: CertificateAuthority,
        enroller: Enroller,
        urls: Callable[[], tuple[str, ...]] = lambda: (),
        certificate_days: Callable[[], float] = lambda: PEER_DAYS,
    ) -> None:
        self._ca = ca
        self._enroller = enroller
        self._urls = urls
        self._certificate_days = certificate_days

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get(CA_PATH, self._get_ca)
        app.router.add_post(ENROL_PATH, self._post_enrol)

    async def _get_ca(self, request: web.Request) -> web.Response:
        return web.Response(text=self._ca.ca_pem, content_type="application/x-pem-file")

    async def _post_enrol(self, request: web.Request) -> web.Response:
        try:
            answer = await self._enrol(await _read(request))
        except PhoenixError as error:
            log.warning("enrolment refused", error=error.code, remote=request.remote)
            return json_response(error.view(), error.http_status)
        return json_response(answer, 200)

    async def _enrol(self, request: EnrolRequest) -> EnrolAnswer:
        check_protocol(request.protocol)
        if request.role not in PEER_ROLES:
            raise EnrolmentRefused(detail=f"there is no role {request.role[:32]!r}")
        if request.role == AGENT:
            check_version(request.version)
        check_request(request.csr_pem)  # before the token is used up
        grant = await self._enroller.redeem(secret_hash(request.secret), request)
        if grant.role != request.role:
            raise TokenForOtherRole(granted=grant.role, wanted=request.role)
        certificate = await asyncio.to_thread(
            self._ca.issue, request.csr_pem, grant.role, grant.peer_id, self._certificate_days()
        )
        await self._enroller.enrolled(grant, request, certificate)
        log.info("peer enrolled", peer=grant.peer_id, name=grant.name, role=grant.role, serial=certificate.serial)
        return EnrolAnswer(
            peer_id=grant.peer_id,
            name=grant.name,
            certificate_pem=certificate.certificate_pem,
            ca_pem=certificate.ca_pem,
            urls=self._urls(),
            role_config=grant.role_config,
        )


async def _read(request: web.Request) -> EnrolRequest:
    body = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for part in request.content.iter_chunked(1 << 14):
                body += part
                if len(body) > MAX_REQUEST_BYTES:
                    raise EnrolmentRefused(detail=f"it is longer than {MAX_REQUEST_BYTES} bytes")
    except TimeoutError as error:
        raise EnrolmentRefused(detail=f"it did not arrive within {READ_TIMEOUT_S:g} s") from error
    try:
        return msgspec.json.decode(bytes(body), type=EnrolRequest)
    except UNREADABLE as error:
        raise EnrolmentRefused(detail=str(error)) from error


def json_response(body: msgspec.Struct, status: int) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
