"""Prune beside a backup that wants just the chunks which are about to go: nothing that a snapshot needs is lost."""

from tests.agent.independent_walk import walk
from tests.e2e import tree
from tests.e2e.killing import FILES, SIZE, step_begins
from tests.e2e.rig import Machine


def test_prune_beside_a_backup_loses_nothing(here: Machine) -> None:
    source = tree.make(here.folder / "source", files=FILES, size=SIZE, seed=1)
    old = here.json("backup", "one", str(source))["snapshot_id"]
    tree.make(source, files=FILES // 2, size=SIZE, seed=2)
    half = walk(source)
    kept = here.json("backup", "one", str(source))["snapshot_id"]
    here.json("snapshot", "remove", old, "--at-once", "--confirm", old[:12])
    plan = here.json("vault", "prune")["result"]
    assert plan["unused_packs"] + plan["rewrite_packs"] > 0
    assert "deleted_packs" not in plan

    tree.make(source, files=FILES, size=SIZE, seed=1)
    again = walk(source)
    backup = here.json("backup", "one", str(source), "--detach")
    step_begins("WF1.4")(here, backup["id"])
    pruned = here.json("vault", "prune", "--execute", "--yes")
    assert pruned["state"] == "successful"
    made = here.wait_job(backup["id"])
    assert made["state"] == "successful"

    assert {each["id"] for each in here.json("snapshot", "list")} == {kept, made["snapshot_id"]}
    assert here.json("vault", "verify", "--depth", "chunks")["state"] == "successful"
    tree.restores_as(here, "one", kept, source, half)
    tree.restores_as(here, "one", made["snapshot_id"], source, again)

    here.json("snapshot", "remove", made["snapshot_id"], "--at-once", "--confirm", made["snapshot_id"][:12])
    freed = here.json("vault", "prune", "--execute", "--yes")["result"]
    assert freed["deleted_packs"] > 0
    assert here.json("vault", "verify", "--depth", "chunks")["state"] == "successful"
    tree.restores_as(here, "one", kept, source, half)
