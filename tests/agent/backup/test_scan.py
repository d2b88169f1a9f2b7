"""The walk itself: mount points, unreadable folders, depth, folders that are swapped while it runs."""

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.agent.backup import openfolders
from phoenix_core.agent.backup import scan as scan_module
from phoenix_core.agent.backup.filereader import FileReader
from phoenix_core.agent.backup.folders import listing
from phoenix_core.agent.backup.levels import Level
from phoenix_core.agent.backup.mounts import Mounts, is_virtual_folder
from phoenix_core.agent.backup.records import Enter, Keep, Leave, Link, Lost, Read, ReadItem, Record
from phoenix_core.agent.backup.ruleset import RuleSet
from phoenix_core.agent.backup.scan import Scan
from phoenix_core.agent.backup.scanrules import ScanRules
from phoenix_core.agent.backup.sources import canonical, source_tree
from phoenix_core.agent.backup.spool import Spool
from phoenix_core.domain.patterns import Patterns
from phoenix_core.vault.entry import ChunkRef
from tests.agent import kinds_of_entries


class Scanned:
    """What a scan of some paths recorded."""

    def __init__(
        self,
        state: Path,
        *paths: Path | bytes,
        rules: ScanRules | None = None,
        tick: Callable[[bytes], None] = lambda path: None,
    ) -> None:
        records: Spool[Record] = Spool(state, Record)
        reads: Spool[ReadItem] = Spool(state, ReadItem)
        tree = source_tree([canonical(os.fsencode(path)) for path in paths])
        self.scan = Scan(tree, rules or ScanRules(RuleSet.whole(), Mounts(())), None, records, reads, tick)
        self.scan.run()
        self.records = list(records)
        self.reads = list(reads)

    def paths(self) -> dict[bytes, Record]:
        """Every recorded path; folders by their `Enter`."""
        found: dict[bytes, Record] = {}
        above: list[bytes] = []
        reads = iter(self.reads)
        for record in self.records:
            match record:
                case Enter():
                    above.append(record.entry.name)
                    found[b"/" + b"/".join(above)] = record
                case Leave():
                    above.pop()
                case Keep():
                    found[b"/" + b"/".join([*above, record.entry.name])] = record
                case Read():
                    found[next(reads).path] = record
                case Link():
                    found[record.item.path] = record
        assert not above
        return found

    def lost(self) -> dict[bytes, str]:
        return {record.path: record.reason for record in self.records if isinstance(record, Lost)}


def mount_line(path: Path, device: int, kind: str = "ext4") -> bytes:
    """A line of /proc/self/mountinfo."""
    place = os.fsencode(path).replace(b"\\", b"\\134").replace(b" ", b"\\040").replace(b"\n", b"\\012")
    numbers = b"%d:%d" % (os.major(device), os.minor(device))
    return b"36 35 " + numbers + b" / " + place + b" rw,noatime shared:1 - " + kind.encode() + b" /dev/x rw"


@pytest.fixture
def mounted(source: Path) -> tuple[Path, Mounts]:
    """A folder that counts as a mount point, as a bind mount of the same file system does."""
    point = source / "mount point"
    (point / "below").mkdir(parents=True)
    (point / "below" / "file").write_text("x")
    (source / "file").write_text("x")
    return point, Mounts([mount_line(point, source.stat().st_dev)])


def names(scanned: Scanned, source: Path) -> set[str]:
    top = os.fsencode(source) + b"/"
    return {path.removeprefix(top).decode() for path in scanned.paths() if path.startswith(top)}


def test_a_mount_point_is_an_empty_folder_unless_crossing_is_wanted(
    tmp_path: Path, source: Path, mounted: tuple[Path, Mounts]
) -> None:
    _, mounts = mounted
    stays = Scanned(tmp_path, source, rules=ScanRules(RuleSet.whole(), mounts))
    assert names(stays, source) == {"file", "mount point"}
    crosses = Scanned(tmp_path, source, rules=ScanRules(RuleSet.whole(cross_mounts=True), mounts))
    assert names(crosses, source) == {"file", "mount point", "mount point/below", "mount point/below/file"}


def test_a_mount_point_that_is_named_is_entered(tmp_path: Path, source: Path, mounted: tuple[Path, Mounts]) -> None:
    point, mounts = mounted
    rules = ScanRules(RuleSet.whole(), mounts)
    for also in (point, point / "below", point / "below" / "file"):
        scanned = Scanned(tmp_path, source, also, rules=rules)
        assert "mount point/below/file" in names(scanned, source)
    entered = Scanned(tmp_path, source, point / "below", rules=rules).paths()[os.fsencode(point)]
    assert isinstance(entered, Enter)
    assert entered.entry.partial
    assert names(Scanned(tmp_path, point, rules=rules), source) >= {"mount point/below/file"}


def test_folders_of_the_kernel_are_left_empty_even_when_mounts_are_crossed(tmp_path: Path, source: Path) -> None:
    (source / "file").write_text("x")
    virtual = Mounts([mount_line(source, source.stat().st_dev, "cgroup2")])
    scanned = Scanned(tmp_path, source, rules=ScanRules(RuleSet.whole(cross_mounts=True), virtual))
    assert scanned.paths().keys().isdisjoint({os.fsencode(source / "file")})
    assert scanned.scan.left_out.source_problems == {os.fsencode(source): "virtual_file_system"}


@pytest.mark.parametrize("folder", ["/proc", "/sys"])
def test_virtual_file_systems_are_known_by_statfs_too(folder: str, source: Path) -> None:
    for path, expected in ((folder, True), (source, False)):
        fd = os.open(path, os.O_RDONLY)
        try:
            assert is_virtual_folder(fd) is expected
        finally:
            os.close(fd)


def test_the_mount_table_is_read_with_its_escapes() -> None:
    odd = Path("/mnt/with space\nand \\ line")
    mounts = Mounts([mount_line(odd, os.makedev(8, 1)), b"nonsense", b"1 2 3 4 5 no separator", b""])
    assert mounts.is_point(os.fsencode(odd))
    assert Mounts.current().is_point(b"/proc")


def test_few_descriptors_are_open_however_deep_it_goes(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds_of_entries.build(source)
    whole = Scanned(tmp_path, source)
    monkeypatch.setattr(openfolders, "OPEN_FOLDERS", 3)
    before = len(os.listdir("/proc/self/fd"))
    most = 0

    def tick(path: bytes) -> None:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/fd")) - before)

    few = Scanned(tmp_path, source, tick=tick)
    assert few.records == whole.records
    assert most <= 5
    assert os.fsencode(source) + b"/" + kinds_of_entries.Made(source).deepest + b"/at the bottom" in few.paths()
    kinds_of_entries.remove(source)
    source.mkdir()


def test_deeper_than_any_snapshot_may_be_is_told(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "MAX_DEPTH", len(source.parts) + 2)
    (source / "1" / "2" / "3" / "4").mkdir(parents=True)
    scanned = Scanned(tmp_path, source)
    assert list(scanned.lost().values()) == ["too_deep"]


def test_a_folder_moved_away_while_it_was_scanned_loses_only_its_rest(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The descriptor of a shallow folder was given up, and `..` of the deep one no longer leads there."""
    monkeypatch.setattr(openfolders, "OPEN_FOLDERS", 1)
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "x").write_text("x")
    (source / "a" / "z").write_text("z")
    (source / "elsewhere").mkdir()
    (source / "y").write_text("y")

    def tick(path: bytes) -> None:
        if path.endswith(b"/a/b"):
            (source / "a" / "b").rename(source / "elsewhere" / "b")
            (source / "a").rename(source / "elsewhere" / "a")

    scanned = Scanned(tmp_path, source, tick=tick)
    assert os.fsencode(source / "a" / "b" / "x") in scanned.paths()
    assert scanned.lost() == {os.fsencode(source / "a" / "z"): "vanished"}
    assert os.fsencode(source / "y") in scanned.paths()


@pytest.mark.parametrize("failing", ["fstat", "open"])
def test_a_disk_that_fails_while_a_folder_is_opened_again_does_not_end_the_scan(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    monkeypatch.setattr(openfolders, "OPEN_FOLDERS", 1)
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "z").write_text("z")
    reopen, call = openfolders.OpenFolders.reopen, getattr(os, failing)

    def fails_once(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(os, failing, call)
        raise OSError(errno.EIO, "Input/output error")

    def reopened(folders: openfolders.OpenFolders, level: Level, below: int) -> bool:
        monkeypatch.setattr(openfolders.OpenFolders, "reopen", reopen)
        monkeypatch.setattr(os, failing, fails_once)
        return reopen(folders, level, below)

    monkeypatch.setattr(openfolders.OpenFolders, "reopen", reopened)
    scanned = Scanned(tmp_path, source)
    assert getattr(os, failing) is call
    assert os.fsencode(source / "a" / "z") in scanned.paths()
    assert scanned.lost() == {}


def test_what_a_file_server_no_longer_knows_by_its_handle_is_missing(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be there all the same: the server was set up anew."""
    for name in "ab":
        (source / name).write_text(name)
    lstat = os.lstat

    def stale(path: Any, **options: Any) -> os.stat_result:
        if path == b"a":
            raise OSError(errno.ESTALE, "Stale file handle")
        return lstat(path, **options)

    monkeypatch.setattr(os, "lstat", stale)
    scanned = Scanned(tmp_path, source)
    assert names(scanned, source) == {"b"}
    assert scanned.lost() == {os.fsencode(source / "a"): "ESTALE"}


def test_what_is_deleted_while_the_folder_is_listed_is_not_missing(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        (source / name).write_text(name)

    def listed(fd: int) -> list[bytes]:
        found = listing(fd)
        (source / "a").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(scan_module, "listing", listed)
    scanned = Scanned(tmp_path, source)
    assert names(scanned, source) == {"b"}
    assert scanned.lost() == {}


def test_entries_that_may_not_be_read_are_missing_and_the_rest_is_there(tmp_path: Path, source: Path) -> None:
    """As a normal user: root may read everything, so a child process becomes one."""
    for name in ("readable", "unreadable", "closed/inside", "no search/inside", "no list/inside"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(name)
    (source / "unreadable").chmod(0)
    (source / "closed").chmod(0)
    (source / "no search").chmod(0o444)
    (source / "no list").chmod(0o711)
    for folder in (*source.parents, source):
        if os.geteuid() == 0 and not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(folder.stat().st_mode | 0o711)
    state = tmp_path / "state"
    state.mkdir(mode=0o777)
    state.chmod(0o777)

    found = _as_nobody(state, lambda: _scan_and_read(state, source))
    for name in ("unreadable", "closed", "no search", "no list"):
        (source / name).chmod(0o755)
    top = str(source)
    expected = {f"{top}/unreadable": "EACCES", f"{top}/closed": "EACCES", f"{top}/no search/inside": "EACCES"}
    if os.geteuid() == 0:
        expected[f"{top}/no list"] = "EACCES"
    assert found["missing"] == expected
    assert f"{top}/readable" in found["read"]


def _scan_and_read(state: Path, source: Path) -> dict[str, dict[str, str]]:
    scanned = Scanned(state, source)
    missing = {os.fsdecode(path): reason for path, reason in scanned.lost().items()}
    reader = FileReader(lambda data: ChunkRef(bytes(32), len(data)), 7, Patterns(()))
    read: dict[str, str] = {}
    for item in scanned.reads:
        result = reader.read(item)
        if result.entry is None:
            missing[os.fsdecode(result.path)] = result.reason
        else:
            read[os.fsdecode(item.path)] = result.reason
    return {"missing": missing, "read": read}


def _as_nobody(folder: Path, work: Callable[[], dict[str, dict[str, str]]]) -> dict[str, dict[str, str]]:
    """Do it in a child process that is no longer root, if this one is."""
    if os.geteuid() != 0:
        return work()
    answer = folder / "answer"
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            answer.write_text(json.dumps(work()))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    found: dict[str, dict[str, str]] = json.loads(answer.read_text())
    return found


def test_cancelling_closes_what_is_open(tmp_path: Path, source: Path) -> None:
    (source / "a" / "b").mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))

    def tick(path: bytes) -> None:
        if path.endswith(b"/b"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Scanned(tmp_path, source, tick=tick)
    assert len(os.listdir("/proc/self/fd")) == before
    shutil.rmtree(source / "a")
