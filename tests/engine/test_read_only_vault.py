"""A vault whose file system becomes read-only: what is new is refused with that reason, what is stored stays."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.agentlink.reports import JobFailed
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.requests import BackupRequest, RestoreRequest, VerifyRequest
from phoenix_core.domain.states import JobState, VerifyDepth
from phoenix_core.domain.views import JobView
from tests.engine.fake_agent import FakeAgent, Files, back_up
from tests.engine.rig import Rig

OLD: Files = {"/srv/old": os.urandom(20_000)}
NEW: Files = {"/srv/old": OLD["/srv/old"], "/srv/new": os.urandom(20_000)}
MOUNTS = os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0
pytestmark = pytest.mark.skipif(not MOUNTS, reason="a folder can be mounted read-only by root only")


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """Have the folder as a file system of its own for a while."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,bind,{option}", str(folder)], check=True)


async def back_up_or_tell(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
    try:
        await back_up(agent, order)
    except PhoenixError as error:
        await agent.report(order.job, JobFailed(error=error.view()))


async def backup(rig: Rig) -> JobView:
    return await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)


async def connected(rig: Rig) -> bool:
    return (await rig.client.server("web1")).connected


async def restored(rig: Rig, agent: FakeAgent, snapshot: str | None) -> Files:
    agent.restored.clear()
    job = await rig.client.restore(RestoreRequest(server="web1", snapshot=snapshot or "latest"))
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return dict(agent.restored)


@pytest.mark.parametrize("sent_before", [False, True])
async def test_a_backup_into_a_read_only_vault_fails_by_that_name_and_loses_nothing(
    rig: Rig, sent_before: bool
) -> None:
    """Before the first pack, or when all is sent and only its record is missing."""
    agent = await rig.agent()
    agent.files, agent.on_backup = OLD, back_up_or_tell
    first = await backup(rig)
    assert first.state is JobState.SUCCESSFUL, first.error
    vault = rig.data.vault

    async def sent(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
        assert isinstance(order, BackupOrder)
        result = await agent.upload(order)
        remount(vault, "ro")
        await agent.report(order.job, result)

    agent.files = NEW
    with mounted(vault):
        if sent_before:
            agent.on_backup = sent
        else:
            remount(vault, "ro")
        failed = await backup(rig)
        assert failed.state is JobState.FAILED
        assert failed.error is not None
        assert failed.error.code == "storage_read_only"
        assert str(vault) in failed.error.message
        assert "Mount" in failed.error.hint
        assert failed.error.retryable
        assert [each.id for each in await rig.client.snapshots()] == [first.snapshot_id]
        assert await restored(rig, agent, first.snapshot_id) == OLD

    agent.on_backup = back_up_or_tell
    again = await rig.client.retry(failed.id)
    done = await rig.ended(again.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert await restored(rig, agent, done.snapshot_id) == NEW
    assert await restored(rig, agent, first.snapshot_id) == OLD
    verified = await rig.ended((await rig.client.verify(VerifyRequest(depth=VerifyDepth.CHUNKS))).id)
    assert verified.state is JobState.SUCCESSFUL, verified.error


async def test_a_core_that_starts_on_a_read_only_vault_says_so_to_whoever_wants_a_backup(rig: Rig) -> None:
    await rig.agent()
    with mounted(rig.data.vault):
        remount(rig.data.vault, "ro")
        await rig.restart()
        with pytest.raises(PhoenixError) as raised:
            await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
        assert raised.value.view().code == "storage_read_only"
    await rig.restart()
    await rig.until(lambda: connected(rig))
    assert (await backup(rig)).state is JobState.SUCCESSFUL
