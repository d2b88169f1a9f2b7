"""An installation that quickstart made goes on with a core that runs as a service, and back with an embedded one."""

import socket

from tests.e2e import tree
from tests.e2e.rig import Machine


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_the_agent_finds_the_core_wherever_it_listens(bare: Machine) -> None:
    source = tree.make(bare.folder / "source", files=5, size=2000)
    bare.json("quickstart", str(source))
    (server,) = bare.json("server", "list")

    bare.data.joinpath("phoenix.toml").write_text(f'[core]\nlisten = "127.0.0.1:{_free_port()}"\n')
    core = bare.start_core()
    agent = bare.start_agent()
    assert bare.json("backup", server["name"], str(source))["state"] == "successful"
    core.stop()
    bare.data.joinpath("phoenix.toml").write_text(f'[core]\nlisten = "127.0.0.1:{_free_port()}"\n')
    core = bare.start_core()
    bare.wait_connected(bare.agent_id)  # the agent that runs on finds the core's new address
    assert bare.json("backup", server["name"])["state"] == "successful"
    agent.stop()
    core.stop()

    bare.data.joinpath("phoenix.toml").unlink()
    assert bare.json("backup", server["name"])["state"] == "successful"
