"""The index deleted: the vault says so, is rebuilt from its packs alone, and answers as before."""

import shutil
from typing import Any

from tests.agent.independent_walk import walk
from tests.e2e import tree
from tests.e2e.rig import Machine


def test_a_deleted_index_is_rebuilt_and_answers_as_before(bare: Machine) -> None:
    here = bare
    here.init()
    core = here.start_core()
    here.enroll("one")
    here.start_agent()
    source = tree.make(here.folder / "source", files=120, size=3000)
    before = walk(source)
    first = here.json("backup", "one", str(source))["snapshot_id"]
    (source / "folder-000" / "file-00007").write_bytes(b"changed")
    after = walk(source)
    second = here.json("backup", "one", str(source))["snapshot_id"]
    answers = _answers(here, first, second, str(source))

    assert core.stop() == 0
    shutil.rmtree(here.data / "index")
    here.start_core()
    here.wait_connected(here.agent_id)
    lost = here.command("restore", "one", "--to", str(here.folder / "nowhere"), "--json")
    assert lost.code == 1
    assert lost.json["error"]["code"] == "index_missing"
    assert "rebuild-index" in lost.json["error"]["hint"]
    assert not (here.folder / "nowhere").exists()
    assert not here.json("vault", "status", code=1)["index_complete"]

    assert here.json("vault", "rebuild-index")["state"] == "successful"
    assert here.json("vault", "status")["index_complete"]
    assert _answers(here, first, second, str(source)) == answers
    tree.restores_as(here, "one", first, source, before)
    tree.restores_as(here, "one", second, source, after)
    assert here.json("vault", "verify", "--depth", "chunks")["state"] == "successful"
    again = here.json("backup", "one", str(source))
    assert again["result"]["read_bytes"] == 0


def _answers(here: Machine, first: str, second: str, source: str) -> list[Any]:
    vault = here.json("vault", "status")
    return [
        here.json("snapshot", "list"),
        here.json("snapshot", "browse", first, f"{source}/folder-001"),
        here.json("snapshot", "find", second, "*-00007"),
        here.json("snapshot", "diff", first, second),
        [vault[name] for name in ("packs", "chunks", "stored_bytes", "snapshots", "records")],
    ]
