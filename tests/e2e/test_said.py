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


def test_a_check_of_a_restore_says_that_nothing_was_written(here: Machine) -> None:
    source = tree.make(here.folder / "source", files=3, size=1000)
    here.json("backup", "one", str(source))
    target = here.folder / "target"
    said = here.command("restore", "one", "--path", str(source), "--to", str(target), "--check").expect().out
    assert "It can be restored: 3 files, " in said
    assert said.endswith(" free. Nothing was written.\n")
    assert not target.exists()
