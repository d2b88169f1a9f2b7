"""Leases that outlived their jobs: of a core or a storage node that was killed, or a node that was away at the end."""

import asyncio
from collections.abc import Collection

import structlog

from phoenix_core.catalog.jobs import Jobs
from phoenix_core.domain.ids import LeaseId
from phoenix_core.engine.vault import OpenVault

log = structlog.get_logger(__name__)


async def close_old_leases(vault: OpenVault, jobs: Jobs, held: Collection[str] = ()) -> None:
    """Close the leases of jobs that have ended, which would hold a prune up until they lapse. `held`: names of what is
    no job and lives.

    Leases are listed first: a job is in the catalog before it gets one. Raises StorageError."""
    for lease in await asyncio.to_thread(vault.node.leases):
        if lease.job in held:
            continue
        job = await jobs.get(lease.job)
        if job is None or job.state.is_final:
            log.info("a lease outlived its job and is closed", lease=lease.lease, job=lease.job)
            await asyncio.to_thread(vault.node.close_lease, LeaseId(lease.lease))
