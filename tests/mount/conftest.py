"""A core with a server that was backed up twice, and its snapshots as a folder."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from phoenix_core.domain.requests import BackupRequest
from phoenix_core.mount.snapshotfolder import SnapshotFolder
from tests.engine.conftest import plain_log
from tests.engine.rig import Rig, running_rig

__all__ = ["plain_log"]

LARGE = random.Random(1).randbytes(3_072_000)
OLD = {"/srv/large": LARGE, "/srv/deep/note": b"old", "/srv/odd\nname \N{SNOWMAN}": b"odd"}
NEW = OLD | {"/srv/deep/note": b"newer", "/srv/<b>&.html": b"<script>"}


class SteppedClock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def _stays_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """libfuse takes the process that mounts to the root folder, in the foreground too."""
    monkeypatch.chdir(Path.cwd())


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path) as running:
        agent = await running.agent("web1")
        for files in (OLD, NEW):
            agent.files = files
            job = await running.client.backup(BackupRequest(server="web1", paths=("/srv",)))
            await running.ended(job.id)
        yield running


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def folder(rig: Rig, clock: SteppedClock) -> AsyncIterator[SnapshotFolder]:
    opened = SnapshotFolder(rig.client, "test", clock)
    await opened.open()
    yield opened
    await opened.close()
