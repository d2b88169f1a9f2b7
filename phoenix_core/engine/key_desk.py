"""Gives agents the keys of blocks, and only those that fit their job."""

import asyncio
from collections.abc import Sequence

from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import PackId
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.errors import GrantGrows, NotOfThisJob
from phoenix_core.engine.pending_grant import PendingGrant
from phoenix_core.engine.restore_grant import Grant
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef
from phoenix_core.vault.packkeys import PackKeys

ANSWER_S = 1.0
"""So long an agent that asks again waits for an answer. It notices only then that its job was cancelled."""
_RESTORES = frozenset({JobKind.FILE_RESTORE, JobKind.RESTORE_DRILL, JobKind.FILE_COMPARE})


class KeyDesk:
    """Used from the event loop; the opening of heads happens in a thread, one request at a time."""

    def __init__(self) -> None:
        self._grants: dict[str, PendingGrant] = {}
        self._vault: OpenVault | None = None
        self._keys: PackKeys | None = None
        self._turn = asyncio.Lock()

    def expect(self, job_id: str) -> None:
        """A grant for this job is being made: requests wait for it."""
        if job_id not in self._grants:
            self._grants[job_id] = PendingGrant()

    def grew(self, job_id: str, grant: Grant) -> None:
        """The grant has more than before, and grows on."""
        pending = self._grants.get(job_id)
        if pending is not None:  # the job may have ended meanwhile
            pending.grew(grant)

    def grant(self, job_id: str, grant: Grant) -> None:
        """The whole grant."""
        self.expect(job_id)
        self._grants[job_id].complete(grant)

    def fail(self, job_id: str, error: PhoenixError) -> None:
        """There will be no grant."""
        pending = self._grants.get(job_id)
        if pending is not None:
            pending.fail(error)

    def drop(self, job_id: str) -> None:
        pending = self._grants.pop(job_id, None)
        if pending is not None:
            pending.drop()

    async def grown(self, job: JobRow, seen: int) -> tuple[int, bool]:
        """The step that the job's grant has come to, and whether it is whole: once that is another than `seen`, or
        after a second. Raises NotOfThisJob, and why there is no grant."""
        if job.kind in _RESTORES and job.id not in self._grants:  # it runs, and this core hasn't picked it up yet
            await asyncio.sleep(ANSWER_S)
            return seen, False
        pending = self._pending(job)
        await pending.until(lambda: pending.steps != seen, ANSWER_S)
        return pending.steps, pending.is_whole

    async def keys(
        self, vault: OpenVault, job: JobRow, blocks: Sequence[BlockRef], *, asks_again: bool = False
    ) -> tuple[bytes, ...]:
        """One key per block, in order; blocks that a growing grant doesn't have yet are waited for. `asks_again`: the
        agent knows GrantGrows.

        Raises NotOfThisJob where one of them isn't the job's, GrantGrows where it may yet be."""
        if job.kind in _RESTORES:
            await self._check_restore(job, blocks, ANSWER_S if asks_again else None)
        else:
            await asyncio.to_thread(_check_backup, vault, job, blocks)
        async with self._turn:
            if self._keys is None or self._vault is not vault:
                self._vault, self._keys = vault, vault.pack_keys()
            return tuple(await asyncio.to_thread(self._keys.block_keys, blocks))

    def _pending(self, job: JobRow) -> PendingGrant:
        pending = self._grants.get(job.id)
        if pending is None:
            raise NotOfThisJob(job=job.id, detail="it has no restore under way")
        return pending

    async def _check_restore(self, job: JobRow, blocks: Sequence[BlockRef], within_s: float | None) -> None:
        pending = self._pending(job)
        if not await pending.until(lambda: pending.refused(blocks) is None, within_s):
            raise GrantGrows(job=job.id)
        block = pending.refused(blocks)
        if block is not None:
            raise NotOfThisJob(job=job.id, detail=f"block {block.ordinal} of pack {block.pack_id.hex()[:12]}")


def _check_backup(vault: OpenVault, job: JobRow, blocks: Sequence[BlockRef]) -> None:
    """An incremental backup reads its parent's trees: metadata that its own server wrote."""
    for pack_id in {block.pack_id for block in blocks}:
        info = vault.node.pack_info(PackId(pack_id))
        if info is None or info.server_id != job.server_id or info.kind != PackKind.META:
            raise NotOfThisJob(job=job.id, detail=f"pack {pack_id.hex()[:12]} is not metadata of its own server")
