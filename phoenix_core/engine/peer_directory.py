"""The enrolled peers, in memory: who they are by name and id, and who is connected."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import msgspec
import structlog

from phoenix_core.catalog.errors import CatalogFull
from phoenix_core.catalog.peers import Peers
from phoenix_core.catalog.rows import CertificateRow, PeerRow
from phoenix_core.domain.errors import NotFound
from phoenix_core.engine.errors import AmbiguousName, ServerRemoved

AGENT = "agent"
STORAGE = "storage"

log = structlog.get_logger(__name__)


class PeerDirectory:
    """Mirrors the catalog's peers; every change goes through here."""

    def __init__(self, peers: Peers) -> None:
        self._stored = peers
        self._peers: dict[str, PeerRow] = {}
        self._certificates: dict[str, CertificateRow] = {}
        self._connected: set[str] = set()

    async def load(self) -> None:
        for role in (AGENT, STORAGE):
            for peer in await self._stored.all(role):
                self._peers[peer.id] = peer
        for certificate in await self._stored.all_certificates():
            self._certificates[certificate.serial] = certificate

    # --- reading -----------------------------------------------------------------------------------------------------

    def of_role(self, role: str) -> list[PeerRow]:
        return sorted(
            (peer for peer in self._peers.values() if peer.role == role), key=lambda peer: (peer.name, peer.id)
        )

    def get(self, peer_id: str) -> PeerRow | None:
        return self._peers.get(peer_id)

    def name_of(self, peer_id: str) -> str:
        peer = self._peers.get(peer_id)
        return peer_id if peer is None else peer.name

    def server(self, name: str) -> PeerRow:
        """A server by id, by name (one in use before one that was removed), or by unique prefix of its id.

        Raises NotFound, AmbiguousName."""
        servers = self.of_role(AGENT)
        for peer in servers:
            if peer.id == name:
                return peer
        named = sorted((peer for peer in servers if peer.name == name), key=_in_use_first)
        if named:
            return named[0]
        prefixed = [peer for peer in servers if len(name) >= 4 and peer.id.startswith(name)]
        if len(prefixed) > 1:
            raise AmbiguousName(what="server", name=name, found=", ".join(peer.id for peer in prefixed))
        if not prefixed:
            raise NotFound(what="server", name=name)
        return prefixed[0]

    def server_in_use(self, name: str) -> PeerRow:
        """As `server`; raises ServerRemoved for one that was removed."""
        peer = self.server(name)
        if peer.revoked_at is not None:
            raise ServerRemoved(server=peer.name)
        return peer

    def in_use(self, peer_id: str) -> bool:
        """Whether there is such a peer, and it wasn't removed."""
        peer = self._peers.get(peer_id)
        return peer is not None and peer.revoked_at is None

    def certificate_ends_at(self, peer_id: str) -> datetime | None:
        newest = self._newest_certificate(peer_id)
        return newest.ends_at if newest is not None else None

    def certificate_overdue_at(self, peer_id: str) -> datetime | None:
        """When a sixth of the certificate's life is left; a peer that is connected renews it from a third on."""
        newest = self._newest_certificate(peer_id)
        return _overdue_at(newest) if newest is not None else None

    def certificates_overdue(self, now: datetime) -> list[tuple[PeerRow, datetime]]:
        """Peers in use whose certificate should have been renewed by now, each with when it ends."""
        newest: dict[str, CertificateRow] = {}
        for each in self._certificates.values():
            known = newest.get(each.peer_id)
            if known is None or each.issued_at > known.issued_at:
                newest[each.peer_id] = each
        return [
            (self._peers[peer_id], each.ends_at)
            for peer_id, each in newest.items()
            if _overdue_at(each) <= now and self.in_use(peer_id)
        ]

    def _newest_certificate(self, peer_id: str) -> CertificateRow | None:
        own = (each for each in self._certificates.values() if each.peer_id == peer_id)
        return max(own, key=lambda each: each.issued_at, default=None)

    def keys_of(self, peer_id: str) -> list[bytes]:
        """The public keys of all certificates that the peer was ever given; its snapshots are signed with one."""
        return [each.public_key for each in self._certificates.values() if each.peer_id == peer_id]

    def is_allowed(self, peer_id: str, serial: str) -> bool:
        """Whether a connection with this certificate may be served: the peer is in use and was given it."""
        peer = self._peers.get(peer_id)
        certificate = self._certificates.get(serial)
        return (
            peer is not None and peer.revoked_at is None and certificate is not None and certificate.peer_id == peer_id
        )

    def connected(self, peer_id: str) -> bool:
        return peer_id in self._connected

    def free_name(self, wanted: str, role: str) -> str:
        """The name, or where one in use has it already, the name with the lowest free number."""
        taken = {peer.name for peer in self.of_role(role) if peer.revoked_at is None}
        name, number = wanted, 1
        while name in taken:
            number += 1
            name = f"{wanted}-{number}"
        return name

    # --- changing ----------------------------------------------------------------------------------------------------

    async def add(self, peer: PeerRow, certificate: CertificateRow) -> None:
        await self._stored.add(peer, certificate)
        self._peers[peer.id] = peer
        self._certificates[certificate.serial] = certificate

    async def add_certificate(self, certificate: CertificateRow) -> None:
        await self._stored.add_certificate(certificate)
        self._certificates[certificate.serial] = certificate

    async def connect(self, peer_id: str, at: datetime, hostname: str, platform: str, version: str) -> None:
        self._connected.add(peer_id)
        self._change(peer_id, last_seen_at=at, hostname=hostname, platform=platform, version=version)
        with _kept_in_memory(peer_id):
            await self._stored.seen(peer_id, at, hostname, platform, version)

    async def disconnect(self, peer_id: str, at: datetime) -> None:
        self._connected.discard(peer_id)
        self._change(peer_id, last_seen_at=at)
        with _kept_in_memory(peer_id):
            await self._stored.last_seen([peer_id], at)

    async def see_connected(self, at: datetime) -> None:
        """Those that are connected are there at this time."""
        seen = sorted(self._connected)
        if seen:
            await self._stored.last_seen(seen, at)
        for peer_id in self._connected.intersection(seen):
            self._change(peer_id, last_seen_at=at)

    async def revoke(self, peer_id: str, at: datetime, seen_s: float) -> PeerRow:
        """`seen_s`: reading of `SeenTime`, by which its undo period counts."""
        await self._stored.revoke(peer_id, at, seen_s)
        return self._change(peer_id, revoked_at=at, revoked_seen_s=seen_s)

    async def readmit(self, peer_id: str) -> PeerRow:
        """Take a removal back: its certificates count again, as long as each lasts."""
        await self._stored.readmit(peer_id)
        return self._change(peer_id, revoked_at=None)

    async def set_default_paths(self, peer_id: str, paths: tuple[str, ...]) -> None:
        if self._peers[peer_id].default_paths != paths:
            await self._stored.set_default_paths(peer_id, paths)
            self._change(peer_id, default_paths=paths)

    async def set_url(self, peer_id: str, url: str) -> None:
        await self._stored.set_url(peer_id, url)
        self._change(peer_id, url=url)

    def _change(self, peer_id: str, **values: object) -> PeerRow:
        self._peers[peer_id] = msgspec.structs.replace(self._peers[peer_id], **values)
        return self._peers[peer_id]


def _overdue_at(certificate: CertificateRow) -> datetime:
    return certificate.ends_at - (certificate.ends_at - certificate.issued_at) / 6


def _in_use_first(peer: PeerRow) -> tuple[bool, float]:
    return (peer.revoked_at is not None, -peer.enrolled_at.timestamp())


@contextmanager
def _kept_in_memory(peer_id: str) -> Iterator[None]:
    """When a peer was seen is not worth its connection, nor that its jobs don't learn of the connection's end."""
    try:
        yield
    except CatalogFull as error:
        log.warning("when the peer was seen can't be recorded", peer=peer_id, error=error.message)
