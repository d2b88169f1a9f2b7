"""A tree with every kind of entry through the command line: backed up, restored, compared by an independent walk."""

from tests.agent import kinds_of_entries
from tests.agent.independent_walk import walk
from tests.e2e import tree
from tests.e2e.rig import Machine


def test_every_kind_of_entry_comes_back(here: Machine) -> None:
    source = here.folder / "source"
    source.mkdir()
    kinds_of_entries.build(source, many=60)
    before = walk(source)

    first = here.json("backup", "one", str(source))
    assert first["state"] == "successful"
    assert first["missing_count"] == 0
    second = here.json("backup", "one", str(source))
    assert second["result"]["read_bytes"] == 0
    assert walk(source) == before

    tree.restores_as(here, "one", first["snapshot_id"], source, before)
    tree.restores_as(here, "one", second["snapshot_id"], source, before)
