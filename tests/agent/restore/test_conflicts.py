"""What becomes of an entry where something already exists under its name."""

import os
import re
from pathlib import Path

import pytest

from phoenix_core.agent.restore import largeparts, restore_job
from phoenix_core.agent.restore.conflict import NAME_MAX_BYTES, restored_name, stamp_of
from phoenix_core.agent.restore.errors import OWN_FOLDER
from phoenix_core.domain.states import ConflictRule
from tests.agent.restore.rig import RestoreRig

RULES = list(ConflictRule)
STAMP = "2026-11-23T21-30-00Z"


def tree(path: Path) -> dict[str, object]:
    """Relative paths with content, target, or None for folders; the times of restore cut out of names."""
    found: dict[str, object] = {}
    for each in sorted(path.rglob("*")):
        name = re.sub(r"\(restored [^)]*\)", "(restored)", str(each.relative_to(path)))
        if each.is_symlink():
            found[name] = os.readlink(each)
        else:
            found[name] = each.read_bytes() if each.is_file() else None
    return found


@pytest.fixture
def filled(rig: RestoreRig) -> RestoreRig:
    """The source has `file.txt` (modified in 2020) and `folder/inside`; so has the target, with other content."""
    for top, content in ((rig.source, b"backed up"), (rig.restored, b"existing")):
        (top / "folder").mkdir(parents=True)
        (top / "file.txt").write_bytes(content)
        (top / "folder" / "inside").write_bytes(content)
    for path in (rig.source / "file.txt", rig.source / "folder" / "inside"):
        os.utime(path, ns=(0, 1_600_000_000 * 10**9))
    return rig


@pytest.mark.parametrize(
    ("rule", "age_s", "expected"),
    [
        (ConflictRule.OVERWRITE, -10, {"file.txt": b"backed up", "folder/inside": b"backed up"}),
        (ConflictRule.OVERWRITE, 10, {"file.txt": b"backed up", "folder/inside": b"backed up"}),
        (ConflictRule.SKIP, 10, {"file.txt": b"existing", "folder/inside": b"existing"}),
        (ConflictRule.IF_OLDER, 10, {"file.txt": b"backed up", "folder/inside": b"backed up"}),
        (ConflictRule.IF_OLDER, 0, {"file.txt": b"existing", "folder/inside": b"existing"}),
        (ConflictRule.IF_OLDER, -10, {"file.txt": b"existing", "folder/inside": b"existing"}),
        (
            ConflictRule.KEEP_BOTH,
            10,
            {
                "file (restored).txt": b"backed up",
                "file.txt": b"existing",
                "folder/inside": b"existing",
                "folder/inside (restored)": b"backed up",
            },
        ),
    ],
)
def test_files_that_exist(filled: RestoreRig, rule: ConflictRule, age_s: int, expected: dict[str, object]) -> None:
    """`age_s`: by how much the existing ones are older than those in the snapshot."""
    for name in ("file.txt", "folder/inside"):
        os.utime(filled.restored / name, ns=(0, (1_600_000_000 - age_s) * 10**9))
    result = filled.restore(filled.backup(), conflict=rule)
    assert tree(filled.restored) == {"folder": None, **expected}
    written = b"backed up" in expected.values()
    assert (result.files, result.skipped) == ((2, 0) if written else (0, 2))


@pytest.mark.parametrize("rule", RULES)
def test_what_is_not_in_the_snapshot_stays(filled: RestoreRig, rule: ConflictRule) -> None:
    (filled.restored / "folder" / "more").write_bytes(b"stays")
    filled.restore(filled.backup(), conflict=rule)
    assert tree(filled.restored)["folder/more"] == b"stays"


@pytest.mark.parametrize("rule", RULES)
def test_what_is_equal_already_is_not_fetched(filled: RestoreRig, rule: ConflictRule) -> None:
    snapshot = filled.backup()
    filled.restore(snapshot)
    (filled.restored / "file.txt").chmod(0o640)
    result = filled.restore(snapshot, conflict=rule)
    assert (result.files, result.skipped, result.fetched_bytes) == (0, 2, 0)
    assert tree(filled.restored) == {"file.txt": b"backed up", "folder": None, "folder/inside": b"backed up"}
    mode = (filled.restored / "file.txt").stat().st_mode & 0o777
    assert mode == (0o644 if rule is ConflictRule.OVERWRITE else 0o640)


def test_equal_size_and_time_do_not_hide_other_content(filled: RestoreRig) -> None:
    snapshot = filled.backup()
    filled.restore(snapshot)
    (filled.restored / "file.txt").write_bytes(b"backed UP")
    os.utime(filled.restored / "file.txt", ns=(0, 1_600_000_000 * 10**9))
    assert filled.restore(snapshot).files == 1
    assert tree(filled.restored)["file.txt"] == b"backed up"


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (ConflictRule.OVERWRITE, {"file.txt": b"backed up"}),
        (ConflictRule.SKIP, {"file.txt": None, "file.txt/kept": b"kept"}),
        (
            ConflictRule.KEEP_BOTH,
            {"file.txt": None, "file.txt/kept": b"kept", "file (restored).txt": b"backed up"},
        ),
        (ConflictRule.IF_OLDER, {"file.txt": None, "file.txt/kept": b"kept"}),
    ],
)
def test_a_folder_in_the_way_of_a_file(
    filled: RestoreRig, rule: ConflictRule, expected: dict[str, object], large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only `overwrite` removes a folder that holds something. No temporary file stays beside it."""
    if large:
        monkeypatch.setattr(largeparts, "LARGE_BYTES", 1)
    (filled.restored / "file.txt").unlink()
    (filled.restored / "file.txt").mkdir()
    (filled.restored / "file.txt" / "kept").write_bytes(b"kept")
    os.utime(filled.restored / "file.txt", ns=(0, 0))
    result = filled.restore(filled.backup(), paths=[filled.source / "file.txt"], conflict=rule)
    found = tree(filled.restored)
    assert {name: found[name] for name in found if not name.startswith("folder")} == expected
    reasons = [each.reason for each in result.missing]
    assert reasons == (["ENOTEMPTY"] if rule is ConflictRule.IF_OLDER else [])


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("check_only", [True, False])
def test_folders_that_give_way_with_what_is_in_them_are_told(
    filled: RestoreRig, check_only: bool, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of files, links and further hard links, not of empty folders; the job's log has it beforehand."""
    if large:
        monkeypatch.setattr(largeparts, "LARGE_BYTES", 1)
    os.link(filled.source / "file.txt", filled.source / "hard")
    (filled.source / "soft").symlink_to("file.txt")
    (filled.source / "simple").write_bytes(b"simple")
    (filled.restored / "file.txt").unlink()
    for name in ("file.txt/a/b/c", "soft/a", "hard/a", "simple/d"):
        (filled.restored / name).mkdir(parents=True)
    (filled.restored / "simple" / "d").rmdir()
    (filled.restored / "file.txt" / "a" / "link").symlink_to("/")
    order, ports = filled.order(filled.backup(), check_only=check_only)
    result = restore_job.RestoreJob(order, ports).run()
    assert {each.path: each.reason for each in result.displaced} == {
        str(filled.restored / name): f"folder_removed: {count}"
        for name, count in (("file.txt", 4), ("soft", 1), ("hard", 1))
    }
    assert (result.removed_folders, result.removed_entries) == (3, 6)
    told = [text for text in ports.logged() if "3 folders with 6 entries are removed for files" in text]
    assert len(told) == (0 if check_only else 1)
    assert (filled.restored / "file.txt").is_dir() is check_only


@pytest.mark.parametrize("check_only", [True, False])
def test_a_folder_with_a_vault_in_it_gives_way_to_nothing(filled: RestoreRig, check_only: bool) -> None:
    (filled.restored / "file.txt").unlink()
    for name in ("packs/meta", "snapshots", "records"):
        (filled.restored / "file.txt" / "deeper" / name).mkdir(parents=True)
    result = filled.restore(filled.backup(), check_only=check_only)
    assert [(each.path, each.reason) for each in result.missing] == [(str(filled.source / "file.txt"), OWN_FOLDER)]
    assert (filled.restored / "file.txt" / "deeper" / "records").is_dir()
    assert result.removed_folders == 0


@pytest.mark.parametrize("check_only", [True, False])
@pytest.mark.parametrize(("rule", "told"), [(ConflictRule.OVERWRITE, 1), (ConflictRule.SKIP, 0)])
def test_links_that_give_way_to_folders_are_told(
    filled: RestoreRig, rule: ConflictRule, told: int, check_only: bool
) -> None:
    (filled.restored / "folder").rename(filled.folder / "elsewhere")
    (filled.restored / "folder").symlink_to(filled.folder / "elsewhere")
    result = filled.restore(filled.backup(), conflict=rule, check_only=check_only)
    reasons = {str(filled.restored / "folder"): f"link_replaced: {filled.folder / 'elsewhere'}"}
    assert {each.path: each.reason for each in result.displaced} == (reasons if told else {})
    assert result.replaced_links == told


def test_the_other_names_of_keep_both_are_told(filled: RestoreRig) -> None:
    (filled.restored / "folder" / "inside").unlink()
    (filled.restored / "folder").rmdir()
    (filled.restored / "folder").write_bytes(b"in the way")
    order, ports = filled.order(filled.backup(), conflict=ConflictRule.KEEP_BOTH)
    result = restore_job.RestoreJob(order, ports).run()
    names = sorted(name for name in os.listdir(filled.restored) if "restored" in name)
    assert sorted(each.reason for each in result.displaced) == [f"renamed: {name}" for name in names]
    assert result.renamed == 2
    assert [text for text in ports.logged() if "2 entries stand under another name" in text and names[0] in text]


def test_a_folder_in_the_way_of_links_and_nodes(rig: RestoreRig) -> None:
    """As for files: they are missing, and nothing half-done lies beside what is there."""
    (rig.source / "a").write_bytes(b"one file")
    os.link(rig.source / "a", rig.source / "hard")
    (rig.source / "soft").symlink_to("a")
    os.mkfifo(rig.source / "fifo")
    kept = {"hard/kept": b"", "soft/kept": b"", "fifo/kept": b""}
    for name in kept:
        (rig.restored / name).parent.mkdir(parents=True)
        (rig.restored / name).touch()
        os.utime((rig.restored / name).parent, ns=(0, 0))
    result = rig.restore(rig.backup(), conflict=ConflictRule.IF_OLDER)
    assert {each.reason for each in result.missing} == {"ENOTEMPTY"}
    assert tree(rig.restored) == {"a": b"one file", "hard": None, "soft": None, "fifo": None, **kept}


def test_if_older_replaces_an_empty_folder(filled: RestoreRig) -> None:
    (filled.restored / "file.txt").unlink()
    (filled.restored / "file.txt").mkdir()
    os.utime(filled.restored / "file.txt", ns=(0, 0))
    filled.restore(filled.backup(), conflict=ConflictRule.IF_OLDER)
    assert tree(filled.restored)["file.txt"] == b"backed up"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (ConflictRule.OVERWRITE, {"folder": None, "folder/inside": b"backed up"}),
        (ConflictRule.SKIP, {"folder": b"in the way"}),
        (
            ConflictRule.KEEP_BOTH,
            {"folder": b"in the way", "folder (restored)": None, "folder (restored)/inside": b"backed up"},
        ),
        (ConflictRule.IF_OLDER, {"folder": None, "folder/inside": b"backed up"}),
    ],
)
def test_a_file_in_the_way_of_a_folder(filled: RestoreRig, rule: ConflictRule, expected: dict[str, object]) -> None:
    (filled.restored / "folder" / "inside").unlink()
    (filled.restored / "folder").rmdir()
    (filled.restored / "folder").write_bytes(b"in the way")
    os.utime(filled.restored / "folder", ns=(0, 0))
    result = filled.restore(filled.backup(), conflict=rule)
    found = tree(filled.restored)
    assert {name: found[name] for name in found if name.startswith("folder")} == expected
    assert result.missing_count == 0


def test_a_damaged_file_does_not_take_the_place_of_what_is_there(filled: RestoreRig) -> None:
    snapshot = filled.backup()
    for path in (filled.vault.folder / "vault" / "packs" / "data").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"gone")
    (filled.restored / "folder" / "inside").unlink()
    result = filled.restore(snapshot)
    assert sorted(each.reason for each in result.missing) == ["damaged", "damaged"]
    assert tree(filled.restored) == {"file.txt": b"existing", "folder": None}


def test_links_and_nodes_follow_the_rules_too(rig: RestoreRig) -> None:
    rig.restored.mkdir(parents=True)
    (rig.source / "link").symlink_to("new")
    (rig.restored / "link").symlink_to("old")
    os.mkfifo(rig.source / "fifo")
    (rig.restored / "fifo").write_bytes(b"a file")
    snapshot = rig.backup()
    result = rig.restore(snapshot, conflict=ConflictRule.SKIP)
    assert (result.other_entries, result.skipped) == (0, 2)
    assert os.readlink(rig.restored / "link") == "old"
    result = rig.restore(snapshot)
    assert (result.other_entries, result.skipped) == (2, 0)
    assert os.readlink(rig.restored / "link") == "new"
    assert (rig.restored / "fifo").is_fifo()
    assert rig.restore(snapshot).skipped == 2


@pytest.mark.parametrize("rule", RULES)
def test_hard_links_are_links_again_under_every_rule(rig: RestoreRig, rule: ConflictRule) -> None:
    (rig.source / "a").write_bytes(b"one file")
    for name in ("b", "c"):
        os.link(rig.source / "a", rig.source / name)
    rig.restored.mkdir(parents=True)
    (rig.restored / "a").write_bytes(b"existing")
    os.utime(rig.restored / "a", ns=(0, 2**62))
    rig.restore(rig.backup(), conflict=rule)
    b, c = (rig.restored / "b").stat(), (rig.restored / "c").stat()
    assert b.st_ino == c.st_ino
    assert (rig.restored / "b").read_bytes() == b"one file"
    kept = rule in {ConflictRule.SKIP, ConflictRule.IF_OLDER, ConflictRule.KEEP_BOTH}
    assert (rig.restored / "a").read_bytes() == (b"existing" if kept else b"one file")
    assert b.st_nlink == (2 if rule in {ConflictRule.SKIP, ConflictRule.IF_OLDER} else 3)


def test_keep_both_finds_a_free_name(filled: RestoreRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two restores within a second: an equal copy isn't made twice, another one gets a number."""
    monkeypatch.setattr(restore_job, "stamp_of", lambda time_ns: STAMP)
    snapshot = filled.backup()
    filled.restore(snapshot, conflict=ConflictRule.KEEP_BOTH)
    filled.restore(snapshot, conflict=ConflictRule.KEEP_BOTH)
    (filled.source / "file.txt").write_bytes(b"changed")
    filled.restore(filled.backup(), conflict=ConflictRule.KEEP_BOTH)
    copies = {name for name in os.listdir(filled.restored) if name.startswith("file (restored")}
    assert copies == {f"file (restored {STAMP}).txt", f"file (restored {STAMP} 2).txt"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"report.txt", f"report (restored {STAMP}).txt".encode()),
        (b"README", f"README (restored {STAMP})".encode()),
        (b".bashrc", f".bashrc (restored {STAMP})".encode()),
        (b"...", f"... (restored {STAMP})".encode()),
        (b"a.tar.gz", f"a.tar (restored {STAMP}).gz".encode()),
        (b"\xff.\xfe", b"\xff (restored " + STAMP.encode() + b").\xfe"),
    ],
)
def test_the_other_name_keeps_the_extension(name: bytes, expected: bytes) -> None:
    assert restored_name(name, STAMP) == expected
    assert restored_name(name, STAMP, 2) == expected.replace(STAMP.encode(), STAMP.encode() + b" 2")


@pytest.mark.parametrize("name", [b"n" * 255, "é".encode() * 127 + b"x", b"a." + b"e" * 253, b"n" * 250 + b".txt"])
def test_the_other_name_is_never_too_long(name: bytes) -> None:
    other = restored_name(name, STAMP, 12)
    assert len(other) <= NAME_MAX_BYTES
    assert b"(restored " + STAMP.encode() + b" 12)" in other
    other.decode()


def test_the_stamp_is_in_utc() -> None:
    assert stamp_of(1_795_469_400 * 10**9) == "2026-11-23T21-30-00Z"
