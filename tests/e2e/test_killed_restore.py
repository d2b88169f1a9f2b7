"""kill -9 of agent, core and storage node while a restore writes: it goes on, or a retry takes it up."""

from collections.abc import Callable

import pytest

from tests.agent.independent_walk import differences, walk
from tests.e2e import tree, watch
from tests.e2e.lone_node import lone_node, restart
from tests.e2e.rig import Machine


def _agent(here: Machine) -> None:
    here.agent.kill()
    here.start_agent()


def _core(here: Machine) -> None:
    here.running_core.kill()
    here.start_core()
    here.wait_connected(here.agent_id)


@pytest.mark.parametrize("kill", [_agent, _core])
def test_killed_while_it_restores(here: Machine, kill: Callable[[Machine], None]) -> None:
    _cut_off_restore(here, lambda: kill(here))


def test_a_storage_node_of_its_own_is_killed_while_an_agent_restores(here: Machine) -> None:
    with lone_node(here) as node:
        _cut_off_restore(here, lambda: restart(node))


def _cut_off_restore(here: Machine, kill: Callable[[], None]) -> None:
    source = tree.make(here.folder / "source", files=2000, size=20_000)
    before = walk(source)
    made = here.json("backup", "one", str(source))
    target = here.folder / "target"
    target.mkdir()
    job = here.json("restore", "one", "--to", str(target), "--detach")["id"]

    def something_is_there() -> bool:
        return any(target.rglob("file-*"))

    watch.wait_until(here.socket, "the first restored files", something_is_there)
    assert here.job(job)["state"] == "running"
    kill()
    ended = here.wait_job(job)
    if ended["state"] != "successful":
        assert ended["error"]["hint"]
        assert here.json("job", "retry", job)["state"] == "successful"
    assert differences(before, walk(tree.below(target, source))) == []
    assert not [path for path in target.rglob("*") if "phoenix" in path.name]
    tree.restores_as(here, "one", made["snapshot_id"], source, before)
    assert here.json("backup", "one", str(source))["result"]["read_bytes"] == 0
