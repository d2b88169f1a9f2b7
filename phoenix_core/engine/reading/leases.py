"""Leases on snapshots that the core itself reads from: as long as one lives, prune leaves what the snapshot needs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import LeaseId, SnapshotId, new_lease_id
from phoenix_core.engine.vault import OpenVault

RENEW_S = 300.0
"""A lease at the storage node lapses after half an hour."""

log = structlog.get_logger(__name__)


class ReadingLeases:
    """Leases of no job. Used from the event loop."""

    def __init__(self) -> None:
        self._live: set[str] = set()

    @property
    def names(self) -> frozenset[str]:
        """As the jobs that the leases are opened for."""
        return frozenset(self._live)

    @asynccontextmanager
    async def on(self, vault: OpenVault, row: SnapshotRow) -> AsyncIterator[None]:
        """Lease the snapshot for the time of the block. Raises StorageError; LeaseRefused where it was removed."""
        lease = new_lease_id()
        name = f"reading-{lease}"

        def open_lease() -> None:
            vault.node.open_lease(lease, name, row.server_id, SnapshotId(row.id))

        self._live.add(name)
        try:
            await asyncio.to_thread(open_lease)
            renewing = asyncio.create_task(_renew(open_lease), name=f"lease on {row.id[:12]}")
            try:
                yield
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
        finally:
            self._live.discard(name)
            await _close(vault, lease)


async def _renew(open_lease: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(RENEW_S)
        try:
            await asyncio.to_thread(open_lease)
        except PhoenixError as error:
            log.warning("a lease on a snapshot was not renewed", error=error.message)


async def _close(vault: OpenVault, lease: LeaseId) -> None:
    try:
        await asyncio.to_thread(vault.node.close_lease, lease)
    except PhoenixError as error:
        log.warning("a lease was not closed and will lapse", lease=lease, error=error.message)
