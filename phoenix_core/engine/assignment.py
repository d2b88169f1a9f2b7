"""Assigns storage to a valid request (WF1.3, WF2.2): a lease at the storage node, and a token that names it."""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from phoenix_core.agentlink.messages import StorageAccess
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import LeaseId, SnapshotId, new_lease_id
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault import OpenVault
from phoenix_core.storage.tokens import StorageToken, expires_in, mint

log = structlog.get_logger(__name__)

BACKUP = "backup"
RESTORE = "restore"
CORE = "core"


class StoragePlace(msgspec.Struct, frozen=True):
    """Where a job's agent reaches the vault's storage node."""

    url: str
    socket_path: str = ""


class StorageAssigner:
    def __init__(self, settings: Settings, clock: Clock, place: Callable[[str], StoragePlace]) -> None:
        """`place` gives the storage node's address as seen from the peer with that id."""
        self._settings = settings
        self._clock = clock
        self._place = place

    @staticmethod
    def new_lease() -> LeaseId:
        return new_lease_id()

    async def open(
        self, vault: OpenVault, lease: LeaseId, job_id: str, server_id: str, parent: SnapshotId | None
    ) -> None:
        await asyncio.to_thread(vault.node.open_lease, lease, job_id, server_id, parent)

    def access(
        self, vault: OpenVault, job_id: str, server_id: str, agent_id: str, lease: str, rights: str
    ) -> StorageAccess:
        """What the job's order says about storage, with a token that begins now."""
        place = self._place(agent_id)
        return StorageAccess(
            token=self.token(vault, job_id, server_id, lease, rights),
            url=place.url,
            socket_path=place.socket_path,
            lease=lease,
        )

    def token(self, vault: OpenVault, job_id: str, server_id: str, lease: str, rights: str) -> str:
        lifetime_s = int(self._settings.seconds("token.lifetime_s"))
        return mint(
            vault.key.token_signing_key(),
            vault.vault_id,
            StorageToken(
                job=job_id,
                server_id=server_id,
                lease=lease,
                rights=rights,
                domain=vault.descriptor.default_domain,
                expires=expires_in(self._clock.now(), lifetime_s),
            ),
        )

    async def close(self, vault: OpenVault, lease: str) -> None:
        """Close a lease; one that can't be closed lapses by itself."""
        if not lease:
            return
        try:
            await asyncio.to_thread(vault.node.close_lease, LeaseId(lease))
        except PhoenixError as error:
            log.warning("a lease was not closed and will lapse", lease=lease, error=error.message)
