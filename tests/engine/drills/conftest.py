"""A core with a moved clock, and an agent that drills."""

import pytest

from tests.engine.drilling import drill
from tests.engine.fake_agent import FakeAgent
from tests.engine.moved_clock import MovedClock
from tests.engine.rig import Rig


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    made = await rig.agent()
    made.on_restore = drill
    return made
