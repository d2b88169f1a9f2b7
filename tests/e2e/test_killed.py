"""kill -9 of agent, core and storage node in each phase of a backup."""

import shutil
import socket

import pytest

from tests.e2e.killing import Killing
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
    node = Machine(here.folder, "node", core=here)
    try:
        _move_vault(here, node)

        def kill() -> None:
            node.storage.kill()
            node.start_storage()

        Killing(here).through_all_moments(kill)
    finally:
        node.clean_up()


def _move_vault(here: Machine, node: Machine) -> None:
    """Let a storage node that runs alone keep the vault, which is empty as yet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (node.data / "phoenix.toml").write_text(f'[core]\nlisten = "{address}"\n')
    token = here.json("server", "token", "--role", "storage", "--name", "nas")["token"]
    node.command("storage", "enroll", "-", "--url", f"https://{address}", stdin=token + "\n").expect()
    node.start_storage()
    here.json("setting", "set", "storage.node", "nas")
    here.running_core.stop()
    shutil.rmtree(here.data / "index")
    here.start_core()
    here.wait_connected(here.agent_id)
    here.vault = node.vault
