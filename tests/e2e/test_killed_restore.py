"""kill -9 of agent and core while a restore writes: it goes on, or a retry takes it up; all is there at the end."""

from collections.abc import Callable

import pytest

from tests.agent.independent_walk import differences, walk
from tests.e2e import tree, watch
from tests.e2e.rig import Machine, Process


def _agent(here: Machine, core: Process, agent: Process) -> None:
    agent.kill()
    here.start_agent()


def _core(here: Machine, core: Process, agent: Process) -> None:
    core.kill()
    here.start_core()
    here.wait_connected(here.agent_id)


@pytest.mark.parametrize("kill", [_agent, _core])
def test_killed_while_it_restores(bare: Machine, kill: Callable[[Machine, Process, Process], None]) -> None:
    bare.init()
    core = bare.start_core()
    bare.enroll("one")
    agent = bare.start_agent()
    source = tree.make(bare.folder / "source", files=2000, size=20_000)
    before = walk(source)
    made = bare.json("backup", "one", str(source))
    target = bare.folder / "target"
    target.mkdir()
    job = bare.json("restore", "one", "--to", str(target), "--detach")["id"]

    def something_is_there() -> bool:
        return any(target.rglob("file-*"))

    watch.wait_until(bare.socket, "the first restored files", something_is_there)
    assert bare.job(job)["state"] == "running"
    kill(bare, core, agent)
    ended = bare.wait_job(job)
    if ended["state"] != "successful":
        assert ended["error"]["hint"]
        assert bare.json("job", "retry", job)["state"] == "successful"
    assert differences(before, walk(tree.below(target, source))) == []
    assert not [path for path in target.rglob("*") if "phoenix" in path.name]
    tree.restores_as(bare, "one", made["snapshot_id"], source, before)
    assert bare.json("backup", "one", str(source))["result"]["read_bytes"] == 0
