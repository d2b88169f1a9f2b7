"""Fixtures of the engine's tests."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from blockbuster import BlockBuster, blockbuster_ctx

from phoenix_core.domain.clock import Clock, SystemClock
from tests.engine.rig import Rig, running_rig


@pytest.fixture(autouse=True)
def plain_log() -> Iterator[None]:
    """One line per event: rendering a traceback reads source files, which counts as blocking the loop. Beside what the
    product prints."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, _without_traceback],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it is when something is logged
    )
    yield
    structlog.reset_defaults()


def _without_traceback(logger: object, method: str, event: structlog.typing.EventDict) -> str:
    error = event.pop("exc_info", None)
    return " ".join(f"{key}={value}" for key, value in event.items()) + (f" {sys.exc_info()[1]!r}" if error else "")


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> Iterator[BlockBuster]:
    """Fails what blocks the event loop from within the product."""
    with blockbuster_ctx(scanned_modules=["phoenix_core"]) as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    """A module whose tests move it has another one."""
    return SystemClock()


@pytest.fixture
async def rig(tmp_path: Path, clock: Clock) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path, clock=clock) as running:
        yield running
