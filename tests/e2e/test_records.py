"""A record that is moved out of the vault and put back, and one whose loss is accepted, by the commands told."""

import re
import shutil

from tests.e2e import tree
from tests.e2e.rig import Machine


def test_a_missing_record_stops_backups_until_it_is_back_or_given_up(here: Machine) -> None:
    source = tree.make(here.folder / "source", files=3, size=1000)
    made = [here.json("backup", "one", str(source))["snapshot_id"] for _ in range(2)]
    stored, away = here.vault / "records" / f"{2:016d}", here.folder / "away"
    shutil.move(stored, away)

    said = here.command("doctor").expect(1).out
    assert "Record 2, which this core has seen, is not in the vault any more: its records end at 1" in said
    assert "records end at 1" in here.command("vault", "status").expect(1).out
    failed = here.json("backup", "one", str(source), code=1)
    assert failed["error"]["code"] == "vault_rolled_back"
    assert not stored.exists()

    shutil.copy(away, stored)
    made.append(here.json("backup", "one", str(source))["snapshot_id"])
    here.command("doctor").expect(0)
    assert {each["id"] for each in here.json("snapshot", "list")} == set(made)

    for number in (2, 3):
        (here.vault / "records" / f"{number:016d}").unlink()
    hint = here.json("backup", "one", str(source), code=1)["error"]["hint"]
    assert all(each[:12] in hint for each in made[1:])
    accept = re.search(r"`phoenix (setting set vault.accept_rollback 3)`", hint)
    assert accept
    here.command(*accept[1].split()).expect(0)
    made[1:] = [here.json("backup", "one", str(source))["snapshot_id"]]
    assert {each["id"] for each in here.json("snapshot", "list")} == set(made)
    here.command("doctor").expect(0)
