"""Queries on enrolled peers, their certificates and activation tokens."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.rows import CertificateRow, PeerRow, TokenRow
from phoenix_core.catalog.tables import activation_tokens, certificates, peers


class Peers:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def add(self, peer: PeerRow, certificate: CertificateRow) -> None:
        async with self._catalog.writing() as connection:
            await connection.execute(sa.insert(peers).values(_columns(peer)))
            await connection.execute(sa.insert(certificates).values(_columns(certificate)))

    async def add_certificate(self, certificate: CertificateRow) -> None:
        async with self._catalog.writing() as connection:
            await connection.execute(sa.insert(certificates).values(_columns(certificate)))

    async def all(self, role: str) -> list[PeerRow]:
        """By name; those that were removed too."""
        async with self._catalog.reading() as connection:
            found = await connection.execute(
                sa.select(peers).where(peers.c.role == role).order_by(peers.c.name, peers.c.id)
            )
            return [PeerRow(**row) for row in found.mappings()]

    async def seen(self, peer_id: str, at: datetime, hostname: str, platform: str, version: str) -> None:
        await self._update(peer_id, last_seen_at=at, hostname=hostname, platform=platform, version=version)

    async def last_seen(self, peer_ids: Collection[str], at: datetime) -> None:
        async with self._catalog.writing() as connection:
            await connection.execute(sa.update(peers).where(peers.c.id.in_(peer_ids)).values(last_seen_at=at))

    async def revoke(self, peer_id: str, at: datetime, seen_s: float) -> None:
        await self._update(peer_id, revoked_at=at, revoked_seen_s=seen_s)

    async def readmit(self, peer_id: str) -> None:
        await self._update(peer_id, revoked_at=None)

    async def set_default_paths(self, peer_id: str, paths: tuple[str, ...]) -> None:
        await self._update(peer_id, default_paths=paths)

    async def set_url(self, peer_id: str, url: str) -> None:
        await self._update(peer_id, url=url)

    async def _update(self, peer_id: str, **values: object) -> None:
        async with self._catalog.writing() as connection:
            await connection.execute(sa.update(peers).where(peers.c.id == peer_id).values(**values))

    async def all_certificates(self) -> list[CertificateRow]:
        async with self._catalog.reading() as connection:
            found = await connection.execute(sa.select(certificates))
            return [CertificateRow(**row) for row in found.mappings()]

    # --- activation tokens -------------------------------------------------------------------------------------------

    async def add_token(self, token: TokenRow) -> None:
        async with self._catalog.writing() as connection:
            await connection.execute(sa.insert(activation_tokens).values(_columns(token)))

    async def token(self, secret_hash: str) -> TokenRow | None:
        async with self._catalog.reading() as connection:
            found = await connection.execute(
                sa.select(activation_tokens).where(activation_tokens.c.secret_hash == secret_hash)
            )
            row = found.mappings().first()
            return None if row is None else TokenRow(**row)

    async def use_token(self, secret_hash: str, at: datetime, peer_id: str) -> bool:
        """Mark the token as used; False where it was used before, so that of two at once only one wins."""
        async with self._catalog.writing() as connection:
            done = await connection.execute(
                sa.update(activation_tokens)
                .where(activation_tokens.c.secret_hash == secret_hash, activation_tokens.c.used_at.is_(None))
                .values(used_at=at, used_by=peer_id)
            )
            return done.rowcount == 1


def _columns(row: PeerRow | CertificateRow | TokenRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__struct_fields__}
