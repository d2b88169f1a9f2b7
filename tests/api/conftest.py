"""Fixtures of the API's tests: a core with one server that was backed up twice."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from phoenix_core.domain.requests import BackupRequest
from tests.engine.conftest import nothing_blocks_the_loop, plain_log
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig, running_rig

__all__ = ["nothing_blocks_the_loop", "plain_log"]

FIRST = {
    "/srv/etc/hosts": b"127.0.0.1 localhost",
    "/srv/etc/passwd": b"root:x:0:0",
    "/srv/docs/a.txt": b"a" * 100,
    "/srv/docs/deep/b.txt": b"b" * 200,
    "/srv/docs-2/c.txt": b"c",
}
SECOND = {
    "/srv/etc/hosts": b"127.0.0.1 localhost changed",
    "/srv/docs/a.txt": b"a" * 100,
    "/srv/docs/deep/b.txt": b"b" * 200,
    "/srv/docs/new.txt": b"new",
    "/srv/docs-2": b"now a file",
}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path) as running:
        yield running


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent("web1")


@pytest.fixture
async def snapshots(rig: Rig, agent: FakeAgent) -> list[str]:
    """Ids of the two snapshots, the older first."""
    for files in (FIRST, SECOND):
        agent.files = files
        job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
        await rig.ended(job.id)
    return [each.id for each in reversed(await rig.client.snapshots())]
