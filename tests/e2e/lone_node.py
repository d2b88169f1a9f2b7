"""A storage node that runs alone, and keeps the vault of a core that has none yet."""

import contextlib
import shutil
import socket
from collections.abc import Iterator

from tests.e2e.rig import Machine


@contextlib.contextmanager
def lone_node(here: Machine) -> Iterator[Machine]:
    """The node's machine; `here`, whose vault is empty as yet, uses it from now on, and `here.vault` is its folder."""
    node = Machine(here.folder, "node", core=here)
    try:
        _move_vault(here, node)
        yield node
    finally:
        node.clean_up()


def restart(node: Machine) -> None:
    """kill -9 of the node, which then starts again at the same address."""
    node.storage.kill()
    node.start_storage()


def _move_vault(here: Machine, node: Machine) -> None:
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
