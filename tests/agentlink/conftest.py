"""A core's link and an enrolled peer, over real TLS on loopback."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from blockbuster import BlockBuster, blockbuster_ctx

from tests.agentlink.bench import CoreBench, PeerBench, running_core, running_peer


@pytest.fixture(autouse=True)
def _logs_are_not_rendered() -> Iterator[None]:
    """Rendering a traceback for the terminal reads source files."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def loop_stays_free() -> Iterator[BlockBuster]:
    """A blocking call of the link on the event loop fails the test."""
    with blockbuster_ctx("phoenix_core.agentlink") as blockbuster:
        yield blockbuster


@pytest.fixture
async def core(tmp_path: Path, loop_stays_free: BlockBuster) -> AsyncIterator[CoreBench]:
    async with running_core(tmp_path / "pki") as core:
        yield core


@pytest.fixture
async def peer(core: CoreBench, tmp_path: Path) -> AsyncIterator[PeerBench]:
    """Connected; its state is in `agent`, its id `s1`."""
    await core.enrol(tmp_path / "agent")
    async with running_peer(tmp_path / "agent") as peer:
        await asyncio.wait_for(peer.link.wait_connected(), 10)
        await core.engine.changes.until(lambda: core.engine.connects)
        yield peer
