from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.alerts.backup_bench import Backups
from tests.engine.fake_clock import FakeClock
from tests.engine.notifications.bench import Bench


@pytest.fixture
async def backups(tmp_path: Path) -> AsyncIterator[Backups]:
    bench = Bench(tmp_path / "data", FakeClock())
    await bench.open()
    made = Backups(bench)
    await made.set_up()
    yield made
    await bench.close()
