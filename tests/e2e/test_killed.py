"""kill -9 of agent, core and storage node in each phase of a backup."""

import pytest

from tests.e2e.killing import Killing
from tests.e2e.lone_node import lone_node, restart
from tests.e2e.rig import Machine

pytestmark = pytest.mark.timeout(400)
"""Each does some forty commands one after the other."""


def test_the_agent_is_killed(here: Machine) -> None:
    def kill() -> None:
        here.agent.kill()
        here.start_agent()

    Killing(here).through_all_moments(kill)


def test_the_core_is_killed(here: Machine) -> None:
    def kill() -> None:
        here.running_core.kill()
        here.start_core()
        here.wait_connected(here.agent_id)

    Killing(here).through_all_moments(kill)


def test_a_storage_node_of_its_own_is_killed(here: Machine) -> None:
    with lone_node(here) as node:
        Killing(here).through_all_moments(lambda: restart(node))
