"""A second server's agent with a state of its own: it is backed up, its data goes to the first, and it may be away."""

import os

from tests.agent.independent_walk import differences, walk
from tests.e2e import tree
from tests.e2e.rig import Machine


def test_one_servers_files_go_to_another(here: Machine) -> None:
    other = Machine(here.folder, "two", core=here)
    try:
        _two_servers(here, other)
    finally:
        other.clean_up()


def _two_servers(here: Machine, other: Machine) -> None:
    other.enroll("two")
    waiting = here.command("backup", "two", str(here.folder), "--wait-agent", "0", "--json").expect(4).json
    assert waiting["state"] == "waiting_for_agent"
    assert here.command("job", "cancel", waiting["id"]).code in {0, 130}
    assert here.job(waiting["id"])["state"] == "cancelled"

    process = other.start_agent()
    assert {each["name"]: each["connected"] for each in here.json("server", "list")} == {"one": True, "two": True}
    of_one = tree.make(here.folder / "of one", files=60, size=4000, seed=1)
    of_two = tree.make(here.folder / "of two", files=60, size=4000, seed=2)
    first = here.json("backup", "one", str(of_one))
    second = here.json("backup", "two", str(of_two))
    assert [each["server_name"] for each in here.json("snapshot", "list")] == ["two", "one"]

    target = here.folder / "target"
    done = here.json("restore", "one", "--to-server", "two", "--to", str(target))
    assert done["server_name"] == "one"
    assert done["state"] == "successful"
    assert differences(walk(of_one), walk(tree.below(target, of_one))) == []
    tree.restores_as(here, "two", second["snapshot_id"], of_two, walk(of_two))

    shared = here.folder / "of two" / "copied"
    shared.write_bytes(os.urandom(300_000))
    here.json("backup", "two", str(of_two))
    here.wait_proved()
    (here.folder / "of one" / "copied").write_bytes(shared.read_bytes())
    again = here.json("backup", "one", str(of_one))
    assert again["result"]["read_bytes"] == 300_000
    assert again["result"]["stored_bytes"] < 100_000, "the other server's chunks are there"

    assert process.stop() == 0
    away = here.command("restore", "one", "--to-server", "two", "--to", str(target), "--wait-agent", "0", "--json")
    assert away.expect(4).json["state"] == "waiting_for_agent"
    other.start_agent()
    ended = here.wait_job(away.json["id"])
    assert ended["state"] == "successful"
    here.json("server", "remove", "two", "--confirm", "two")
    refused = here.command("backup", "two", str(of_two), "--json").expect(1)
    assert refused.error["message"]
    assert first["snapshot_id"] in {each["id"] for each in here.json("snapshot", "list")}
    back = here.folder / "back"
    here.json("restore", "two", "--snapshot", second["snapshot_id"], "--to-server", "one", "--to", str(back))
    assert len(walk(tree.below(back, of_two))) == 62
