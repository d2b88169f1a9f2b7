"""Comparing a snapshot with what is there: by size and time, by content, and with what can't be read."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.agent.backup.mounts import Mounts
from phoenix_core.agent.comparefindings import LISTED_MAX
from phoenix_core.agent.comparejob import CompareJob
from phoenix_core.agent.restore.errors import DestinationNotAbsolute
from phoenix_core.agent.restore.restore_job import RestoreJob
from phoenix_core.agentlink.comparemessages import COMPARE_DESTINATION, CompareFindings, CompareTerms
from phoenix_core.agentlink.reports import BackupResult, RestoreResult
from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.domain.errors import Cancelled
from phoenix_core.vault.errors import PathNotInSnapshot
from tests.agent.backup.test_scan import mount_line
from tests.agent.restore.other_user import NOBODY, as_nobody, open_folder
from tests.agent.restore.rig import RestoreRig, restore_rig

Found = dict[str, tuple[str, str]]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[RestoreRig]:
    with restore_rig(tmp_path) as made:
        yield made


@pytest.fixture
def snapshot(rig: RestoreRig) -> BackupResult:
    source = rig.source
    (source / "deep" / "er").mkdir(parents=True)
    (source / "a").write_bytes(b"a" * 100)
    (source / "b").write_bytes(b"b" * 100)
    (source / "deep" / "c").write_bytes(b"c" * 300_000)
    (source / "deep" / "er" / "d").write_bytes(b"d")
    (source / "link").symlink_to("a")
    os.mkfifo(source / "pipe")
    (source / os.fsdecode(b"odd\xff\n")).write_bytes(b"odd")
    with (source / "holes").open("wb") as opened:
        opened.truncate(10 * 2**20)
        opened.seek(5 * 2**20)
        opened.write(b"x" * 5000)
    return rig.backup()


def rule(*paths: Path, **fields: Any) -> RuleOrder:
    return RuleOrder(tuple(map(os.fsencode, paths)), "web", **fields)


def compared(rig: RestoreRig, snapshot: BackupResult, paths: tuple[Path, ...] = (), **terms: Any) -> RestoreResult:
    """By rules as the core sends them: by default one that names the source. An earlier core sends `excludes` alone."""
    order, ports = rig.order(snapshot, paths=paths, destination=COMPARE_DESTINATION)
    if "excludes" not in terms:
        terms.setdefault("rules", (rule(rig.source),))
    wanted = CompareTerms(**terms)
    try:
        return CompareJob(order, wanted, ports).run()
    finally:
        rig.vault.end(ports)


def findings(rig: RestoreRig, result: RestoreResult) -> tuple[Found, CompareFindings]:
    assert result.compare is not None
    top = str(rig.source) + "/"
    found = {each.path.removeprefix(top): (each.change, each.what) for each in result.compare.differences}
    return found, result.compare


@pytest.mark.parametrize("content", [False, True])
def test_where_nothing_changed_nothing_differs(rig: RestoreRig, snapshot: BackupResult, content: bool) -> None:
    found, counts = findings(rig, compared(rig, snapshot, content=content))
    assert found == {}
    assert counts.same == len(list(rig.source.rglob("*"))) + len(rig.source.parts) - 1
    assert (counts.read_bytes > 0) is content


def test_every_kind_of_difference_is_told(rig: RestoreRig, snapshot: BackupResult) -> None:
    source = rig.source
    (source / "a").write_bytes(b"a" * 101)
    (source / "b").chmod(0o600)
    (source / "deep" / "er" / "d").unlink()
    (source / "deep" / "er").rmdir()
    (source / "link").unlink()
    (source / "link").symlink_to("b")
    (source / "pipe").unlink()
    (source / "pipe").mkdir()
    (source / "pipe" / "inside").touch()
    (source / "new" / "deep").mkdir(parents=True)
    os.setxattr(source / "deep" / "c", "user.note", b"x")
    found, counts = findings(rig, compared(rig, snapshot))
    assert found == {
        "a": ("content", ""),
        "b": ("metadata", "mode"),
        "deep/c": ("metadata", "attributes"),
        "deep/er": ("removed", ""),
        "deep/er/d": ("removed", ""),
        "link": ("content", ""),
        "new": ("added", ""),
        "new/deep": ("added", ""),
        "pipe": ("type", ""),
        "pipe/inside": ("added", ""),
    }
    assert (counts.added, counts.removed, counts.content, counts.metadata, counts.type) == (3, 2, 2, 2, 1)


def test_content_decides_where_all_is_read(rig: RestoreRig, snapshot: BackupResult) -> None:
    """A file that was touched holds the same; one whose time was put back doesn't."""
    touched, forged = rig.source / "a", rig.source / "deep" / "c"
    os.utime(touched)
    before = forged.stat()
    forged.write_bytes(b"C" + b"c" * 299_999)
    os.utime(forged, ns=(before.st_atime_ns, before.st_mtime_ns))
    with (rig.source / "holes").open("r+b") as opened:
        status = os.fstat(opened.fileno())
        opened.seek(2**20)
        opened.write(b"not a hole")
    os.utime(rig.source / "holes", ns=(status.st_atime_ns, status.st_mtime_ns))
    by_time, _ = findings(rig, compared(rig, snapshot))
    assert by_time == {"a": ("content", "")}
    by_content, _ = findings(rig, compared(rig, snapshot, content=True))
    assert by_content == {"a": ("metadata", "time"), "deep/c": ("content", ""), "holes": ("content", "")}


def test_only_what_was_selected_is_compared(rig: RestoreRig, snapshot: BackupResult) -> None:
    (rig.source / "a").write_bytes(b"")
    (rig.source / "deep" / "c").write_bytes(b"")
    found, _ = findings(rig, compared(rig, snapshot, paths=(rig.source / "deep",)))
    assert list(found) == ["deep/c"]
    found, _ = findings(rig, compared(rig, snapshot, paths=(rig.source / "a", rig.source / "deep" / "er")))
    assert list(found) == ["a"]
    with pytest.raises(PathNotInSnapshot):
        compared(rig, snapshot, paths=(rig.source / "nothing",))


def test_a_restored_copy_is_compared_where_it_lies(rig: RestoreRig, snapshot: BackupResult) -> None:
    rig.restore(snapshot)
    (rig.restored / "b").write_bytes(b"changed")
    found, _ = findings(rig, compared(rig, snapshot, folder=os.fsencode(rig.target), content=True))
    assert [path.rpartition("/")[2] for path in found] == ["b"]


def test_what_is_gone_altogether_is_removed_entry_by_entry(rig: RestoreRig, snapshot: BackupResult) -> None:
    found, counts = findings(rig, compared(rig, snapshot, folder=os.fsencode(rig.folder / "vault")))
    assert {change for change, _ in found.values()} == {"removed"}
    assert counts.removed == len(list(rig.source.rglob("*"))) + len(rig.source.parts) - 1


def test_what_the_backup_left_out_is_no_difference(rig: RestoreRig, snapshot: BackupResult) -> None:
    (rig.source / "cache").mkdir()
    (rig.source / "cache" / "x").touch()
    (rig.source / "y.tmp").touch()
    found, _ = findings(rig, compared(rig, snapshot, excludes=("*.tmp", "cache/")))
    assert found == {}


# --- by the backup's rules -------------------------------------------------------------------------------------------


def test_what_the_rules_leave_out_is_no_difference(rig: RestoreRig) -> None:
    """As the backup asks them: by name, extension, size and pattern, and of a folder that is tagged as a cache."""
    source = rig.source
    rules = (rule(source, excludes=("*.tmp",), not_extensions=("iso",), largest_bytes=1000, skip_caches=True),)
    (source / "cache").mkdir()
    (source / "cache" / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55")
    for name in ("kept", "a.tmp", "b.iso", "cache/left"):
        (source / name).write_bytes(b"x")
    (source / "large").write_bytes(b"x" * 1001)
    snapshot = rig.backup(rules=rules)
    found, counts = findings(rig, compared(rig, snapshot, rules=rules))
    assert found == {}
    assert counts.not_compared == 0
    for name in ("new", "new.iso", "new.tmp", "cache/new"):
        (source / name).write_bytes(b"x")
    found, _ = findings(rig, compared(rig, snapshot, rules=rules))
    assert {path: change for path, (change, _) in found.items() if change != "metadata"} == {"new": "added"}


def test_what_leads_to_a_source_in_an_excluded_folder_is_no_difference(rig: RestoreRig) -> None:
    source = rig.source
    (source / "logs" / "kept").mkdir(parents=True)
    for name in ("logs/left", "logs/kept/file"):
        (source / name).touch()
    rules = (rule(source, excludes=("logs/", "!**/logs/kept/")), rule(source / "logs" / "kept"))
    snapshot = rig.backup(rules=rules)
    (source / "logs" / "also-left").touch()
    (source / "logs" / "kept" / "new").touch()
    found, _ = findings(rig, compared(rig, snapshot, rules=rules))
    assert found == {"logs/kept/new": ("added", "")}


def test_what_a_rule_takes_below_another_one_is_a_difference(rig: RestoreRig) -> None:
    (rig.source / "deep").mkdir()
    rules = (rule(rig.source, only_extensions=("txt",)), rule(rig.source / "deep"))
    snapshot = rig.backup(rules=rules)
    for name in ("new", "new.txt", "deep/new"):
        (rig.source / name).touch()
    found, _ = findings(rig, compared(rig, snapshot, rules=rules))
    assert found == {"new.txt": ("added", ""), "deep/new": ("added", "")}


def test_ages_count_from_when_the_snapshot_was_made(rig: RestoreRig) -> None:
    young = rig.source / "young"
    young.touch()
    rules = (rule(rig.source, older_than_s=3600),)
    snapshot = rig.backup(rules=rules)
    made_ns = time.time_ns()
    os.utime(young, ns=(made_ns - 1_800_000_000_000,) * 2)
    found, _ = findings(rig, compared(rig, snapshot, rules=rules, made_ns=made_ns))
    assert found == {}
    found, _ = findings(rig, compared(rig, snapshot, rules=rules, made_ns=made_ns + 3_600_000_000_000))
    assert found == {"young": ("added", "")}


def test_a_source_on_another_file_system_is_compared(rig: RestoreRig) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        other = Path(folder)
        assert other.stat().st_dev != Path("/").stat().st_dev
        (other / "file").write_bytes(b"before")
        snapshot = rig.backup(other)
        (other / "file").write_bytes(b"after it")
        (other / "new").touch()
        result = compared(rig, snapshot, rules=(rule(other),))
    assert result.compare is not None
    found = {each.path: each.change for each in result.compare.differences}
    assert found == {f"{folder}/file": "content", f"{folder}/new": "added"}
    assert result.compare.not_compared == 0


@pytest.fixture
def mounted(rig: RestoreRig, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that counts as a mount point, as one of a bind mount does."""
    point = rig.source / "mount point"
    point.mkdir()
    (point / "file").write_bytes(b"x")
    mounts = Mounts([mount_line(point, rig.source.stat().st_dev)])
    monkeypatch.setattr(Mounts, "current", lambda: mounts)
    return point


def test_what_is_mounted_below_a_source_is_no_difference(rig: RestoreRig, mounted: Path) -> None:
    snapshot = rig.backup()
    found, counts = findings(rig, compared(rig, snapshot))
    assert found == {}
    assert counts.not_compared == 0
    for crossing in ((rule(rig.source, cross_mounts=True),), (rule(rig.source), rule(mounted))):
        snapshot = rig.backup(rules=crossing)
        (mounted / "new").touch()
        found, _ = findings(rig, compared(rig, snapshot, rules=crossing))
        assert found["mount point/new"] == ("added", "")
        (mounted / "new").unlink()


def test_what_lies_below_a_mount_that_came_since_is_told_as_not_compared(
    rig: RestoreRig, snapshot: BackupResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it is still there; it was neither removed, nor is all of it as it was."""
    mounts = Mounts([mount_line(rig.source / "deep", rig.source.stat().st_dev)])
    monkeypatch.setattr(Mounts, "current", lambda: mounts)
    result = compared(rig, snapshot)
    found, counts = findings(rig, result)
    assert found == {}
    assert counts.not_compared == 1
    assert [(each.path, each.reason) for each in result.missing] == [(str(rig.source / "deep"), "other_file_system")]
    assert result.missing_count == 1


def test_what_cannot_be_read_is_told_so_and_not_as_removed() -> None:
    with open_folder() as folder, restore_rig(folder) as rig:
        for name in ("closed", "listed"):
            (rig.source / name / "sub").mkdir(parents=True)
            (rig.source / name / "sub" / "file").write_bytes(b"x")
        snapshot = rig.backup()
        (rig.source / "closed").chmod(0)
        (rig.source / "listed").chmod(0o444)
        if os.geteuid() == 0:
            for path in (rig.vault.folder, *rig.vault.folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        with as_nobody():
            result = compared(rig, snapshot)
            below = compared(rig, snapshot, paths=(rig.source / "closed" / "sub" / "file",))
    found, counts = findings(rig, result)
    assert found == {"listed": ("metadata", "mode")}
    assert counts.removed == 0
    unread = [(each.path.removeprefix(f"{rig.source}/"), each.reason) for each in result.missing]
    assert unread == [("closed", "EACCES"), ("listed/sub", "EACCES")]
    assert findings(rig, below)[0] == {}
    assert [each.path for each in below.missing] == [str(rig.source / "closed")]


# --- around it -------------------------------------------------------------------------------------------------------


def test_a_link_in_the_place_of_a_folder_is_not_followed(rig: RestoreRig, snapshot: BackupResult) -> None:
    (rig.source / "deep").rename(rig.folder / "elsewhere")
    (rig.source / "deep").symlink_to(rig.folder / "elsewhere")
    found, _ = findings(rig, compared(rig, snapshot))
    assert found["deep"] == ("type", "")
    assert found["deep/c"] == ("removed", "")


def test_more_than_can_be_listed_is_counted(rig: RestoreRig, snapshot: BackupResult) -> None:
    many = rig.source / "many"
    many.mkdir()
    for number in range(LISTED_MAX + 5):
        (many / f"{number}").touch()
    result = compared(rig, snapshot)
    assert result.compare is not None
    assert (result.compare.added, len(result.compare.differences)) == (LISTED_MAX + 6, LISTED_MAX)


def test_it_ends_where_it_is_cancelled(rig: RestoreRig, snapshot: BackupResult) -> None:
    order, ports = rig.order(snapshot, destination=COMPARE_DESTINATION)
    ports.cancelled.set()
    with pytest.raises(Cancelled):
        CompareJob(order, CompareTerms(content=True), ports).run()


def test_an_agent_that_knows_no_comparisons_restores_nothing(rig: RestoreRig, snapshot: BackupResult) -> None:
    """It sees a restore to a folder that none can be."""
    order, ports = rig.order(snapshot, destination=COMPARE_DESTINATION, compare=CompareTerms())
    with pytest.raises(DestinationNotAbsolute):
        RestoreJob(order, ports).run()
