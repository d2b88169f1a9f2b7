"""What commands say of backups and restores, for people, and the commands that they advise."""

from tests.e2e import tree
from tests.e2e.rig import Machine


def test_a_backup_says_what_it_repeats_and_what_it_leaves_out(here: Machine) -> None:
    source = tree.make(here.folder / "source", files=3, size=1000)
    first = here.command("backup", "one", str(source), "--exclude", "*.iso").expect().out
    assert first.startswith(f"Backup of one: {source}, without *.iso.\n")
    assert "repeats these folders, with what they leave out, from now on" in first
    again = here.command("backup", "one").expect().out
    assert again.startswith(f"Backup of one: {source}, without *.iso, as last time.\n")
    assert "from now on" not in again
    assert "from now on" not in here.command("backup", "one", str(source), "--dry-run").expect().out
    other = here.command("backup", "one", str(source.parent / "source")).expect().out
    assert other.startswith(f"Backup of one: {source}.\n")
    here.command("rule", "set", "all", "--path", str(source)).expect()
    here.command("group", "set", "all", "--rule", "all", "--add", "one").expect()
    beside = here.command("backup", "one", str(source / "folder-000"), "--exclude", "*.log").expect().out
    assert "from now on" not in beside
    assert here.command("backup", "one").expect().out.startswith(f"Backup of one: {source}, by its group's rules.\n")


def test_a_check_of_a_restore_says_that_nothing_was_written(here: Machine) -> None:
    source = tree.make(here.folder / "source", files=3, size=1000)
    here.json("backup", "one", str(source))
    target = here.folder / "target"
    said = here.command("restore", "one", "--path", str(source), "--to", str(target), "--check").expect().out
    assert "It can be restored: 3 files, " in said
    assert said.endswith(" free. Nothing was written.\n")
    assert not target.exists()


def test_two_snapshots_of_the_same_have_no_difference(here: Machine) -> None:
    source = tree.make(here.folder / "source", files=3, size=1000)
    first, second = (here.json("backup", "one", str(source))["snapshot_id"] for _ in range(2))
    assert here.command("snapshot", "diff", first, second).expect().out == "No difference.\n"
    assert here.json("snapshot", "diff", first, second) == []
    (source / "new").touch()
    third = here.json("backup", "one", str(source))["snapshot_id"]
    assert f"+ {source}/new\n" in here.command("snapshot", "diff", second, third).expect().out


def test_steps_tell_sizes_and_numbers_in_words(here: Machine) -> None:
    source = tree.make(here.folder / "source", files=1, size=3000)
    job = here.json("backup", "one", str(source))
    backup = {step["id"]: step["detail"] for step in here.json("job", "show", job["id"])["steps"]}
    assert backup["WF5.4"].startswith("1 file, ")
    assert backup["WF5.5"].endswith(" for 2.9 KiB to read")
    assert backup["WF5.6"] == "1 new or changed file"
    assert " KiB stored in " in backup["WF1.4"]
    job = here.json("restore", "one", "--path", str(source), "--to", str(here.folder / "target"))
    restore = {step["id"]: step["detail"] for step in here.json("job", "show", job["id"])["steps"]}
    assert restore["WF6.4"].endswith(" free")
    assert " bytes" not in "".join(restore.values())
    assert restore["WF6.6"].startswith("1 file, ")
