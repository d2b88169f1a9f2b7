"""Who may enrol, and what the core remembers of it: activation tokens, peers and their certificates."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from phoenix_core.agentlink.activation import encode, new_token, secret_hash
from phoenix_core.agentlink.ca import IssuedCertificate
from phoenix_core.agentlink.enrol import EnrolRequest
from phoenix_core.agentlink.enrolment import Grant
from phoenix_core.agentlink.errors import TokenExpired, TokenForged, TokenForOtherRole, TokenUsed
from phoenix_core.catalog.peers import Peers
from phoenix_core.catalog.rows import CertificateRow, PeerRow, TokenRow
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import Conflict, UsageError
from phoenix_core.domain.ids import new_node_id, new_server_id
from phoenix_core.domain.requests import ActivationTokenRequest
from phoenix_core.domain.views import ActivationTokenView
from phoenix_core.engine.peer_directory import AGENT, STORAGE, PeerDirectory

VALID_MAX_S = 30 * 86400
NAME_MAX = 100


class Enrolments:
    """Implements `agentlink.enrolment.Enroller` over the catalog."""

    def __init__(
        self,
        peers: Peers,
        directory: PeerDirectory,
        clock: Clock,
        *,
        ca_fingerprint: bytes,
        urls: Callable[[], tuple[str, ...]],
        this_machine: str,
        vault_for_node: Callable[[], bytes],
        changed: Callable[[str], None],
    ) -> None:
        """`this_machine`: hash of the core's own host (`machine_mark`). `vault_for_node`: what a storage node is given.
        `changed` gets the id of a new peer."""
        self._peers = peers
        self._directory = directory
        self._clock = clock
        self._ca_fingerprint = ca_fingerprint
        self._urls = urls
        self._this_machine = this_machine
        self._vault_for_node = vault_for_node
        self._changed = changed

    async def new_token(self, request: ActivationTokenRequest, who: str) -> ActivationTokenView:
        """A token that enrols one host. Raises UsageError, Conflict where the name is in use; NoVault, VaultLocked for
        storage nodes."""
        if request.role not in {AGENT, STORAGE}:
            raise UsageError(detail=f"There is no role {request.role}; roles are {AGENT} and {STORAGE}.")
        if not 1 <= request.valid_s <= VALID_MAX_S:
            raise UsageError(detail=f"A token is valid for 1 to {VALID_MAX_S} seconds.")
        if len(request.name) > NAME_MAX or request.name != request.name.strip():
            raise UsageError(detail=f"A name has at most {NAME_MAX} characters and no blanks around it.")
        if request.name and self._directory.free_name(request.name, request.role) != request.name:
            raise Conflict(
                detail=f"The name {request.name} is in use.",
                advice=f"Choose another, or remove that server first: `phoenix server remove {request.name}`.",
            )
        if request.role == STORAGE:
            self._vault_for_node()  # Better refused here than at the other host.
        token = new_token(self._urls(), self._ca_fingerprint)
        now = self._clock.now()
        row = TokenRow(
            secret_hash=secret_hash(token.secret),
            role=request.role,
            name=request.name,
            created_at=now,
            expires_at=_later(now, request.valid_s),
            created_by=who,
        )
        await self._peers.add_token(row)
        return ActivationTokenView(token=encode(token), expires_at=row.expires_at)

    async def redeem(self, secret_hash: str, request: EnrolRequest) -> Grant:
        token = await self._peers.token(secret_hash)
        now = self._clock.now()
        if token is None:
            raise TokenForged
        if token.used_at is not None:
            raise TokenUsed(used=_shown(token.used_at))
        if now > token.expires_at:
            raise TokenExpired(ended=_shown(token.expires_at))
        if token.role != request.role:
            raise TokenForOtherRole(granted=token.role, wanted=request.role)
        role_config = self._vault_for_node() if token.role == STORAGE else b""
        peer_id = new_server_id() if token.role == AGENT else new_node_id()
        if not await self._peers.use_token(secret_hash, now, peer_id):
            raise TokenUsed(used=_shown(now))
        name = self._directory.free_name(token.name or _host(request.hostname) or peer_id, token.role)
        return Grant(peer_id=peer_id, name=name, role=token.role, role_config=role_config)

    async def enrolled(self, grant: Grant, request: EnrolRequest, certificate: IssuedCertificate) -> None:
        peer = PeerRow(
            id=grant.peer_id,
            role=grant.role,
            name=grant.name,
            hostname=request.hostname[:255],
            platform=request.platform[:100],
            version=request.version[:40],
            enrolled_at=self._clock.now(),
            this_host=machine_mark(request.hostname, request.machine_id) == self._this_machine,
            url=request.url[:255] if grant.role == STORAGE else "",
        )
        await self._directory.add(peer, certificate_row(grant.peer_id, certificate))
        self._changed(peer.id)


def certificate_row(peer_id: str, certificate: IssuedCertificate) -> CertificateRow:
    return CertificateRow(
        serial=certificate.serial,
        peer_id=peer_id,
        public_key=certificate.public_key,
        issued_at=certificate.issued_at,
        ends_at=certificate.ends_at,
    )


def machine_mark(hostname: str, machine_id: str) -> str:
    """Tells hosts apart: by name and machine id together, since copied machines share the latter."""
    return hashlib.sha256(msgspec.json.encode([hostname, machine_id])).hexdigest()


def _host(hostname: str) -> str:
    return hostname.strip().partition(".")[0][:NAME_MAX]


def _later(now: datetime, seconds: int) -> datetime:
    return now + timedelta(seconds=seconds)


def _shown(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S UTC")
