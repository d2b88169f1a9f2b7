"""Gives agents the keys of blocks, and only those that fit their job."""

import asyncio
from collections.abc import Sequence

from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.ids import PackId
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.errors import NotOfThisJob
from phoenix_core.engine.restore_grant import Grant
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef
from phoenix_core.vault.packkeys import PackKeys

_RESTORES = frozenset({JobKind.FILE_RESTORE, JobKind.RESTORE_DRILL, JobKind.FILE_COMPARE})


class KeyDesk:
    """Used from the event loop; the opening of heads happens in a thread, one request at a time."""

    def __init__(self) -> None:
        self._grants: dict[str, asyncio.Future[Grant]] = {}
        self._vault: OpenVault | None = None
        self._keys: PackKeys | None = None
        self._turn = asyncio.Lock()

    def expect(self, job_id: str) -> None:
        """A grant for this job is being made: requests wait for it."""
        if job_id not in self._grants:
            self._grants[job_id] = asyncio.get_running_loop().create_future()

    def grant(self, job_id: str, grant: Grant) -> None:
        self.expect(job_id)
        if not self._grants[job_id].done():
            self._grants[job_id].set_result(grant)

    def drop(self, job_id: str) -> None:
        pending = self._grants.pop(job_id, None)
        if pending is not None:
            pending.cancel()

    async def keys(self, vault: OpenVault, job: JobRow, blocks: Sequence[BlockRef]) -> tuple[bytes, ...]:
        """One key per block, in order. Raises NotOfThisJob where one of them isn't the job's."""
        if job.kind in _RESTORES:
            await self._check_restore(job, blocks)
        else:
            await asyncio.to_thread(_check_backup, vault, job, blocks)
        async with self._turn:
            if self._keys is None or self._vault is not vault:
                self._vault, self._keys = vault, vault.pack_keys()
            return tuple(await asyncio.to_thread(self._keys.block_keys, blocks))

    async def _check_restore(self, job: JobRow, blocks: Sequence[BlockRef]) -> None:
        pending = self._grants.get(job.id)
        if pending is None:
            raise NotOfThisJob(job=job.id, detail="it has no restore under way")
        grant = await asyncio.shield(pending)
        for block in blocks:
            if not grant.allows(block):
                raise NotOfThisJob(job=job.id, detail=f"block {block.ordinal} of pack {block.pack_id.hex()[:12]}")


def _check_backup(vault: OpenVault, job: JobRow, blocks: Sequence[BlockRef]) -> None:
    """An incremental backup reads its parent's trees: metadata that its own server wrote."""
    for pack_id in {block.pack_id for block in blocks}:
        info = vault.node.pack_info(PackId(pack_id))
        if info is None or info.server_id != job.server_id or info.kind != PackKind.META:
            raise NotOfThisJob(job=job.id, detail=f"pack {pack_id.hex()[:12]} is not metadata of its own server")
