"""A core with a moved clock, and an agent that drills."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.drilling import drill
from tests.engine.fake_agent import FakeAgent
from tests.engine.moved_clock import MovedClock
from tests.engine.rig import Rig, running_rig


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def rig(tmp_path: Path, clock: MovedClock) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path, clock=clock) as running:
        yield running


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    made = await rig.agent()
    made.on_restore = drill
    return made
