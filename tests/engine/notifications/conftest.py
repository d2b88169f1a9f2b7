"""A bench with a mail server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.fake_clock import FakeClock
from tests.engine.notifications.bench import Bench
from tests.engine.notifications.servers import Mailbox, mail_server


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "data", FakeClock())
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    """A mail server that wants no log-in and no encryption."""
    async with mail_server() as box:
        yield box
