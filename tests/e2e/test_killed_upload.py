"""An agent that is killed in the middle of a backup: the job is aborted, and the next one sends what is missing."""

import random

from tests.agent.independent_walk import walk
from tests.e2e import tree, watch
from tests.e2e.killing import give_up_soon, kill_agent
from tests.e2e.rig import Machine

FILES, FILE_BYTES = 40, 4 << 20
ENOUGH_BYTES = 64 << 20


def test_the_next_backup_finds_what_the_aborted_one_sent(here: Machine) -> None:
    give_up_soon(here)
    source = here.folder / "source"
    source.mkdir()
    dice = random.Random("what doesn't compress")
    for number in range(FILES):
        (source / f"{number:03d}").write_bytes(dice.randbytes(FILE_BYTES))
    job = here.json("backup", "one", str(source), "--detach")["id"]

    def sent_bytes() -> int:
        found = here.job(job)
        assert found["state"] in {"queued", "running"}, "the backup was over before it could be cut off"
        sent = (found["progress"] or {}).get("sent_bytes", 0)
        return sent if sent >= ENOUGH_BYTES else 0

    sent = watch.wait_until(here.socket, "the first packs", sent_bytes)
    kill_agent(here)
    aborted = here.wait_job(job)
    assert aborted["state"] == "aborted"
    assert here.json("snapshot", "list") == []

    again = here.json("backup", "one", str(source))
    assert again["state"] == "successful"
    assert again["result"]["stored_bytes"] <= FILES * FILE_BYTES - sent + FILE_BYTES
    (transfer,) = (step["detail"] for step in here.job(again["id"])["steps"] if step["id"] == "WF1.4")
    assert "of what was read needed no storing" in transfer
    tree.restores_as(here, "one", again["snapshot_id"], source, walk(source))
