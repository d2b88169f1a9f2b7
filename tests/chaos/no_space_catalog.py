"""A core whose catalog has a full disk from the n-th write on: backups, restores, prunes, verifies, removals, and
enrolments.

A job goes on or fails by a typed error, and is shown as what it is: what the vault's records have, it made."""

import asyncio
import logging
import random
import shutil
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import structlog

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.requests import (
    ActivationTokenRequest,
    BackupRequest,
    PruneRequest,
    RestoreRequest,
    VerifyRequest,
)
from phoenix_core.domain.states import JobKind, JobState, VerifyDepth
from phoenix_core.domain.views import JobView
from phoenix_core.engine import catalog_patience, queue
from phoenix_core.vault.record import RecordKind, parse
from tests.chaos.campaign import Run
from tests.chaos.shared_vault import fast_folder
from tests.engine.fake_agent import FakeAgent, Files
from tests.engine.full_catalog import FullCatalog
from tests.engine.rig import Rig

ROUNDS_OF_A_CORE = 25
WITHIN_S = 60.0
RETRY_S = 0.02
FILES = 12
SNAPSHOTS_KEPT = 4
SERVER = "web1"
MADE_UP = PhoenixError.code
"""What an error says that nobody thought of."""


class CatalogRounds:
    """One core with one agent, started again now and then. Its loop stands still between the rounds."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stack = ExitStack()
        self._loop: asyncio.Runner | None = None
        self._played = 0
        self._contents: dict[str, Files] = {}
        """Of every snapshot that ever was."""
        self._committed: set[str] = set()
        """Snapshots that must be there."""

    def play(self, dice: random.Random) -> None:
        if self._loop is None:
            self._begin()
        assert self._loop is not None
        self._loop.run(self._play(dice))

    def end(self) -> None:
        if self._loop is not None:
            self._loop.run(self._stop())

    def close(self) -> None:
        self._stack.close()

    def _begin(self) -> None:
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
        self._stack.callback(structlog.reset_defaults)
        self._stack.enter_context(mock.patch.object(logging.getLogger("aiohttp.server"), "disabled", True))
        folder = fast_folder()
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for module, name in ((catalog_patience, "AGAIN_S"), (queue, "RETRY_S")):
            self._stack.enter_context(mock.patch.object(module, name, RETRY_S))
        self._loop = self._stack.enter_context(asyncio.Runner())
        self._loop.run(self._start(folder))

    async def _start(self, folder: Path) -> None:
        self._rig = Rig(folder)
        await self._rig.make_vault()
        await self._rig.start()
        self._agent = await self._rig.agent(SERVER)

    async def _stop(self) -> None:
        await self._check()
        await self._agent.stop()
        await self._rig.client.close()
        await self._rig.stop()

    async def _play(self, dice: random.Random) -> None:
        act = dice.choice(self.ACTS)
        name = act.__name__
        self._agent.files = {f"/srv/file-{dice.randrange(FILES)}": dice.randbytes(2000) for _ in range(5)}
        how = await self._on_a_full_disk(act, dice)
        self._run.counts[f"catalog, {name}: {how}"] += 1
        assert not how.endswith(MADE_UP), f"{name} ended with an error that nobody thought of"
        await self._check()
        await self._succeeds(act, dice)
        await self._succeeds(CatalogRounds.back_up, dice)
        await self._check()
        self._played += 1
        if self._played % ROUNDS_OF_A_CORE == 0:
            await self._rig.restart()
            await self._rig.until(self._is_connected)
            await self._check()

    async def _on_a_full_disk(self, act: "Act", dice: random.Random) -> str:
        """How it ended, once there was space again."""
        with FullCatalog(dice.randint(0, dice.choice((4, 12, 40))), once=dice.random() < 0.3) as full:
            going_on = asyncio.create_task(act(self, dice), name=act.__name__)
            struck = asyncio.create_task(full.struck(WITHIN_S), name="struck")
            await asyncio.wait((going_on, struck), return_when=asyncio.FIRST_COMPLETED)
            struck.cancel()
            await asyncio.wait((going_on,), timeout=dice.choice((0, 0.05, 0.2)))
        self._run.counts["writes that failed"] += full.failed
        try:
            job = await asyncio.wait_for(going_on, WITHIN_S)
        except PhoenixError as error:
            return f"refused, {error.view().code}"
        return "went on" if job is None or job.error is None else job.error.code

    async def _succeeds(self, act: "Act", dice: random.Random) -> None:
        job = await asyncio.wait_for(act(self, dice), WITHIN_S)
        assert job is None or job.state is JobState.SUCCESSFUL, f"with space again: {act.__name__}: {job.error}"

    # --- what is done while the disk is full -------------------------------------------------------------------------

    async def back_up(self, dice: random.Random) -> JobView:
        del dice
        return await self._ended(await self._rig.client.backup(BackupRequest(server=SERVER, paths=("/srv",))))

    async def restore(self, dice: random.Random) -> JobView | None:
        """Of any snapshot, not only the newest."""
        if not self._committed:
            return None
        snapshot = dice.choice(sorted(self._committed))
        self._agent.restored.clear()
        job = await self._ended(await self._rig.client.restore(RestoreRequest(server=SERVER, snapshot=snapshot)))
        if job.state is JobState.SUCCESSFUL:
            assert self._agent.restored == self._contents[snapshot], f"snapshot {snapshot[:12]} comes back changed"
            self._run.counts["restores compared"] += 1
        return job

    async def remove(self, dice: random.Random) -> JobView | None:
        if len(self._committed) <= SNAPSHOTS_KEPT:
            return None
        snapshot = dice.choice(sorted(self._committed))
        self._committed.discard(snapshot)
        job = await self._rig.remove(snapshot)
        is_gone = snapshot not in await asyncio.to_thread(self._recorded)
        assert is_gone == (job.state is JobState.SUCCESSFUL), f"a removal is {job.state}: {job.error}"
        return job

    async def prune(self, dice: random.Random) -> JobView:
        del dice
        return await self._ended(await self._rig.client.prune(PruneRequest(execute=True)))

    async def verify(self, dice: random.Random) -> JobView:
        request = VerifyRequest(depth=dice.choice(list(VerifyDepth)))
        return await self._ended(await self._rig.client.verify(request))

    async def enrol(self, dice: random.Random) -> None:
        """A further server; whoever was told that it is one is one."""
        name = f"server-{dice.randbytes(8).hex()}"
        token = await self._rig.client.activation_token(ActivationTokenRequest(name=name))
        await FakeAgent(self._rig.root / name).enrol(token.token)
        assert (await self._rig.client.server(name)).name == name

    ACTS = (back_up, back_up, back_up, restore, remove, prune, verify, enrol)

    # --- checks ------------------------------------------------------------------------------------------------------

    async def _check(self) -> None:
        """What the core shows is what the vault's records say."""
        await self._rig.until(self._is_idle, WITHIN_S)
        recorded = await asyncio.to_thread(self._recorded)
        lost = self._committed - recorded
        assert not lost, f"committed, and lost: {lost}"
        known = set(self._contents)
        for snapshot in recorded - known:
            self._contents[snapshot] = dict(self._agent.files)
        self._committed = recorded
        listed = {each.id for each in await self._rig.client.snapshots()}
        assert listed == recorded, f"shown, but not recorded: {listed - recorded}; the reverse: {recorded - listed}"
        for snapshot in recorded - known:
            job = await self._rig.client.job((await self._rig.client.snapshot(snapshot)).job_id)
            assert job.state is JobState.SUCCESSFUL, f"{job.id} made a snapshot, and is {job.state}: {job.error}"
        for job in await self._rig.client.jobs(limit=5):
            if job.kind is JobKind.FILE_BACKUP and job.state is JobState.SUCCESSFUL:
                assert job.snapshot_id in self._contents, f"{job.id} made no snapshot, and is {job.state}"

    async def _is_idle(self) -> bool:
        return all(job.state.is_final for job in await self._rig.client.jobs(limit=20))

    async def _is_connected(self) -> bool:
        return (await self._rig.client.server(SERVER)).connected

    async def _ended(self, job: JobView) -> JobView:
        return await self._rig.ended(job.id, WITHIN_S)

    def _recorded(self) -> set[str]:
        """Snapshots that are committed and not removed."""
        found: set[str] = set()
        for number, sealed in self._rig.node().records():
            record = parse(sealed, sequence=number)
            if record.kind is RecordKind.COMMIT:
                found.add(record.snapshot_id)
            else:
                found.discard(record.snapshot_id)
        return found


Act = Callable[[CatalogRounds, random.Random], Coroutine[Any, Any, JobView | None]]
