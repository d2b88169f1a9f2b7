"""kill -9 of agent, core and storage node in each phase of a backup."""

import pytest

from tests.e2e.killing import AGENT_GONE, GOES_ON, Killing, give_up_soon, kill_agent, kill_core
from tests.e2e.lone_node import lone_node, restart
from tests.e2e.rig import Machine

pytestmark = pytest.mark.timeout(400)
"""Each does some forty commands one after the other."""


def test_the_agent_is_killed(here: Machine) -> None:
    give_up_soon(here)
    Killing(here).through_all_moments(kill_agent, AGENT_GONE)


def test_the_core_is_killed_and_picks_every_job_up_again(here: Machine) -> None:
    Killing(here).through_all_moments(kill_core, picked_up=True)


def test_a_storage_node_of_its_own_is_killed(here: Machine) -> None:
    with lone_node(here) as node:
        Killing(here).through_all_moments(lambda _: restart(node), GOES_ON)
