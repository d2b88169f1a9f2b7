"""Backups from snapshots of a real Btrfs file system."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.agent.backup.filereader import SETTLE_NS
from phoenix_core.agent.linuxjobs import live_backup
from phoenix_core.agent.sourcesnapshots.btrfs import BtrfsSnapshots
from phoenix_core.agent.sourcesnapshots.btrfscalls import BtrfsCalls
from phoenix_core.agent.sourcesnapshots.errors import SourceSnapshotLost, SourceSnapshotNotMade
from phoenix_core.agent.sourcesnapshots.hostkinds import Kinds, host_kinds
from phoenix_core.agent.sourcesnapshots.kind import Volume
from phoenix_core.agent.sourcesnapshots.marks import FOLDER, Mark, Marks
from phoenix_core.agent.sourcesnapshots.snapshots import sweep
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.agentlink.sourcesnapshots import SourceSnapshotOrder
from phoenix_core.domain.errors import Cancelled
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from tests.agent.sourcesnapshots import subvolumes
from tests.agent.vault_rig import RigPorts, VaultRig, one_pack_only

IF_AVAILABLE = SourceSnapshotOrder(SourceSnapshot.IF_AVAILABLE)
REQUIRED = SourceSnapshotOrder(SourceSnapshot.REQUIRED)


class Meddled(BtrfsSnapshots):
    """Does something to the server right before and after each snapshot."""

    first: Callable[[], object]
    then: Callable[[Path], object]

    def make(self, volumes: Sequence[Volume], marks: Sequence[Mark]) -> list[Mark]:
        self.first()
        made = super().make(volumes, marks)
        for mark in made:
            self.then(Path(os.fsdecode(self.root(mark))))
        return made


def kinds_that(rig: VaultRig, then: Callable[[Path], object], first: Callable[[], object] = lambda: None) -> Kinds:
    host = host_kinds(rig.state_dir)
    btrfs = Meddled(bytes(rig.state_dir / FOLDER))
    btrfs.first, btrfs.then = first, then
    return Kinds(btrfs, host.lvm, host.zfs)


def back_up(
    rig: VaultRig,
    *paths: Path,
    parent: BackupResult | None = None,
    first: Callable[[], object] = lambda: None,
    then: Callable[[Path], object] = lambda root: None,
    **more: Any,
) -> tuple[BackupResult, RigPorts]:
    order, ports = rig.backup_order(*paths, parent=parent, **{"workers": 1, "source_snapshot": REQUIRED, **more})
    try:
        return live_backup(order, ports, kinds=kinds_that(rig, then, first)).run(), ports
    finally:
        rig.end(ports)


def content(rig: VaultRig, result: BackupResult, path: Path) -> bytes:
    return rig.content(rig.entries(result.snapshot_id)[os.fsencode(path)])


def until_time_stamps_go_on(path: Path) -> None:
    """A file that is backed up within the kernel's tick of its change is read by the next backup too."""
    probe = path.with_name("probe")
    probe.touch()
    while probe.stat().st_ctime_ns - path.stat().st_ctime_ns < SETTLE_NS:
        probe.write_bytes(b"")
        os.utime(probe)
    probe.unlink()


def nothing_is_left(rig: VaultRig, btrfs: Path) -> bool:
    of_phoenix = [path for path in subvolumes.below(btrfs) if "phoenix_" in path.name]
    return not of_phoenix and not list((rig.state_dir / FOLDER).glob("*"))


@pytest.fixture
def home(btrfs: Path) -> Path:
    """A subvolume with files, a folder and a file of two names."""
    home = subvolumes.make(btrfs / "home")
    (home / "docs").mkdir()
    (home / "docs" / "letter").write_bytes(b"as it was")
    (home / "docs" / "same-letter").hardlink_to(home / "docs" / "letter")
    (home / "image").write_bytes(os.urandom(3 << 20))
    (home / "goes").write_bytes(b"is still there")
    return home


def test_a_backup_has_everything_as_at_the_snapshots_moment(rig: VaultRig, home: Path, btrfs: Path) -> None:
    image = (home / "image").read_bytes()

    def meddle(root: Path) -> None:
        (home / "docs" / "letter").write_bytes(b"too late")
        (home / "image").write_bytes(b"")
        (home / "goes").unlink()
        (home / "new").write_bytes(b"too new")

    result, ports = back_up(rig, home, then=meddle)
    assert content(rig, result, home / "docs" / "letter") == b"as it was"
    assert content(rig, result, home / "docs" / "same-letter") == b"as it was"
    assert content(rig, result, home / "image") == image
    assert content(rig, result, home / "goes") == b"is still there"
    assert os.fsencode(home / "new") not in rig.entries(result.snapshot_id)
    assert result.missing_count == 0
    assert result.changed_while_read == ()
    assert result.source_snapshots == (f"{home} (Btrfs)",)
    assert nothing_is_left(rig, btrfs)
    assert any(f"The snapshots of {home} were deleted" in text for text in ports.logged())


def test_incrementals_go_back_and_forth_between_live_files_and_snapshots(rig: VaultRig, home: Path) -> None:
    live, _ = back_up(rig, home, source_snapshot=None)
    first, _ = back_up(rig, home, parent=live)
    assert (first.read_bytes, first.changed_files) == (0, 0)
    assert rig.below(first, home) == rig.below(live, home)
    (home / "docs" / "letter").write_bytes(b"changed!")
    until_time_stamps_go_on(home / "docs" / "letter")
    second, _ = back_up(rig, home, parent=first)
    assert second.changed_files == 1
    again, _ = back_up(rig, home, parent=second, source_snapshot=None)
    assert (again.read_bytes, again.changed_files) == (0, 0)
    assert rig.below(again, home) == rig.below(second, home)


def test_a_change_that_leaves_the_time_stamp_of_before_is_read_by_the_next_backup(rig: VaultRig, home: Path) -> None:
    """As where the live file is written to within the kernel's tick in which the snapshot was made."""
    path = home / "busy"

    def write_again(root: Path) -> None:
        path.write_bytes(b"second")

    first, _ = back_up(rig, home, first=lambda: path.write_bytes(b"first!"), then=write_again)
    assert first.changed_while_read == ()
    assert content(rig, first, path) == b"first!"
    assert rig.entries(first.snapshot_id)[os.fsencode(path)].ctime_ns == 0
    second, _ = back_up(rig, home, parent=first)
    assert content(rig, second, path) == b"second"


def test_nested_subvolumes_are_entered_only_where_file_systems_are_crossed(rig: VaultRig, home: Path) -> None:
    nested = subvolumes.make(home / "docs" / "nested")
    deeper = subvolumes.make(nested / "deeper")
    (nested / "file").write_bytes(b"nested")
    (deeper / "file").write_bytes(b"deeper")
    nested.chmod(0o700)

    def meddle(root: Path) -> None:
        for path in (nested / "file", deeper / "file"):
            if (root / "file").exists() and (root / "file").read_bytes() == path.read_bytes():
                path.write_bytes(b"too late")

    closed, ports = back_up(rig, home)
    entries = rig.entries(closed.snapshot_id)
    assert os.fsencode(nested / "file") not in entries
    assert any(f"no rule crosses into nested subvolumes (cross_mounts): {nested}." in text for text in ports.logged())
    assert entries[os.fsencode(nested)].mode == 0o700  # as it is live, not as its place in the snapshot
    crossed, _ = back_up(rig, home, cross_mounts=True, then=meddle)
    assert content(rig, crossed, nested / "file") == b"nested"
    assert content(rig, crossed, deeper / "file") == b"deeper"
    assert set(crossed.source_snapshots) == {f"{path} (Btrfs)" for path in (home, nested, deeper)}
    without, _ = back_up(rig, home, cross_mounts=True, excludes=(f"{nested}/",))
    assert without.source_snapshots == (f"{home} (Btrfs)",)


def test_where_nested_subvolumes_cannot_be_listed_all_is_read_live_or_there_is_no_backup(
    rig: VaultRig, home: Path, btrfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nested = subvolumes.make(home / "nested")
    (nested / "file").write_bytes(b"nested")

    def refused(self: BtrfsSnapshots, live: bytes) -> list[bytes]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(BtrfsSnapshots, "nested", refused)
    with pytest.raises(SourceSnapshotNotMade, match="nested subvolumes can't be listed: Input/output error"):
        back_up(rig, home, cross_mounts=True)
    result, ports = back_up(rig, home, cross_mounts=True, source_snapshot=IF_AVAILABLE)
    assert content(rig, result, nested / "file") == b"nested"
    assert result.source_snapshots == ()
    assert any(f"{home} is read live: its nested subvolumes" in text for text in ports.logged())
    assert nothing_is_left(rig, btrfs)


def test_what_is_mounted_below_is_read_live_and_said(rig: VaultRig, home: Path) -> None:
    there = home / "tmpfs"
    there.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(there)], check=True)
    try:
        (there / "file").write_bytes(b"live")
        with pytest.raises(SourceSnapshotNotMade, match="no snapshots of tmpfs"):
            back_up(rig, home, cross_mounts=True)
        result, ports = back_up(rig, home, cross_mounts=True, source_snapshot=IF_AVAILABLE)
        assert content(rig, result, there / "file") == b"live"
        assert any(f"{there} is read live: there are no snapshots of tmpfs" in text for text in ports.logged())
        assert any(f"live: {there}" in detail for detail in ports.details("WF5.4"))
        closed, _ = back_up(rig, home)
        assert os.fsencode(there / "file") not in rig.entries(closed.snapshot_id)
    finally:
        subprocess.run(["umount", str(there)], check=True)


def test_one_file_below_a_folder_of_a_subvolume_is_read_from_its_snapshot(rig: VaultRig, home: Path) -> None:
    letter = home / "docs" / "letter"
    result, _ = back_up(rig, letter, then=lambda root: letter.write_bytes(b"too late"))
    assert content(rig, result, letter) == b"as it was"


def test_what_is_bound_elsewhere_is_read_from_the_same_snapshot(rig: VaultRig, home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(["mount", "--bind", str(home), str(elsewhere)], check=True)
    try:
        result, _ = back_up(rig, elsewhere, then=lambda root: (home / "goes").unlink())
        assert content(rig, result, elsewhere / "goes") == b"is still there"
    finally:
        subprocess.run(["umount", str(elsewhere)], check=True)


def test_an_agent_on_the_same_file_system_keeps_snapshots_in_its_own_folder(btrfs: Path, home: Path) -> None:
    rig = VaultRig(btrfs / "rig")
    try:
        where: list[Path] = []
        before = btrfs.stat().st_mtime_ns
        result, _ = back_up(rig, btrfs, then=where.append)
        assert [path.parent for path in where] == [rig.state_dir / FOLDER]
        assert btrfs.stat().st_mtime_ns == before
        assert os.fsencode(rig.state_dir) not in rig.entries(result.snapshot_id)
        assert nothing_is_left(rig, btrfs)
    finally:
        rig.close()


def test_a_snapshot_is_deleted_after_a_failure_and_after_a_cancel(rig: VaultRig, home: Path, btrfs: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        back_up(rig, home, then=lambda root: print(1 / 0))
    assert nothing_is_left(rig, btrfs)
    order, ports = rig.backup_order(home, workers=1, source_snapshot=REQUIRED)
    made: list[Path] = []

    def cancel(root: Path) -> None:
        made.append(root)
        ports.cancelled.set()

    with pytest.raises(Cancelled):
        live_backup(order, ports, kinds=kinds_that(rig, cancel)).run()
    assert len(made) == 1
    assert nothing_is_left(rig, btrfs)


def test_nothing_is_committed_of_a_snapshot_that_somebody_deleted(rig: VaultRig, home: Path, btrfs: Path) -> None:
    made: list[Path] = []

    def delete() -> None:
        calls, root = BtrfsCalls(), made.pop()
        folder = calls.open(os.fsencode(root.parent))
        calls.delete(folder, os.fsencode(root.name))
        os.close(folder)

    with one_pack_only(rig, delete) as go_on:
        go_on.set()
        with pytest.raises(SourceSnapshotLost, match="it is not there any more"):
            back_up(rig, home, then=made.append)
    assert nothing_is_left(rig, btrfs)


def test_where_there_is_none_live_files_are_read_or_there_is_no_backup(rig: VaultRig, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(b"live")
    with pytest.raises(SourceSnapshotNotMade, match="none of"):
        back_up(rig, source)
    result, ports = back_up(rig, source, source_snapshot=IF_AVAILABLE)
    assert result.source_snapshots == ()
    assert content(rig, result, source / "file") == b"live"
    assert any("is read live:" in text for text in ports.logged())
    assert any("live:" in detail for detail in ports.details("WF5.4"))


def test_a_trial_makes_none_and_says_of_what_one_would(rig: VaultRig, home: Path, btrfs: Path) -> None:
    made: list[Path] = []
    result, ports = back_up(rig, home, dry_run=True, then=made.append)
    assert made == []
    assert result.source_snapshots == ()
    assert any(f"a backup makes snapshots of {home} (Btrfs)" in text for text in ports.logged())


KILLED = """
import os, signal, sys
from pathlib import Path
from phoenix_core.agent.sourcesnapshots.hostkinds import host_kinds
from phoenix_core.agent.sourcesnapshots.marks import Marks
from phoenix_core.agent.sourcesnapshots.snapshots import SourceSnapshots
state, path = map(Path, sys.argv[1:])
snapshots = SourceSnapshots("s1", "j1", Marks(state), host_kinds(state), print, lambda: None)
snapshots.make([os.fsencode(path)], (), required=True, left_out=lambda path: False)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_agent_leaves_is_deleted_and_nobody_elses(rig: VaultRig, home: Path, btrfs: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(rig.state_dir), str(home)], check=False)
    assert killed.returncode == -signal.SIGKILL
    others = subvolumes.make(btrfs / "phoenix_s1_j1_9")
    (left,) = [path for path in subvolumes.below(btrfs) if path.name == "phoenix_s1_j1_1"]
    told: list[str] = []
    assert sweep(Marks(rig.state_dir), host_kinds(rig.state_dir), lambda level, text: told.append(text)) == 1
    assert not left.exists()
    assert others.exists()
    assert any("left by job j1" in text for text in told)
    assert not list((rig.state_dir / FOLDER).glob("*"))


def test_something_else_by_the_name_of_a_marked_snapshot_stays(rig: VaultRig, home: Path, btrfs: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(rig.state_dir), str(home)], check=False)
    (btrfs / "phoenix_s1_j1_1").rename(btrfs / "aside")
    mine = subvolumes.make(btrfs / "phoenix_s1_j1_1")
    (mine / "file").write_bytes(b"somebody's")
    sweep(Marks(rig.state_dir), host_kinds(rig.state_dir), lambda level, text: None)
    assert (mine / "file").read_bytes() == b"somebody's"


def test_one_at_a_mount_point_that_shows_another_subvolume_now_is_kept_in_mind(
    rig: VaultRig, home: Path, btrfs: Path, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(rig.state_dir), str(home)], check=False)
    subprocess.run(["mount", "--bind", str(home), str(btrfs)], check=True)
    told: list[str] = []
    try:
        sweep(Marks(rig.state_dir), host_kinds(rig.state_dir), lambda level, text: told.append(text))
    finally:
        subprocess.run(["umount", str(btrfs)], check=True)
    assert any("something else is mounted" in text for text in told)
    assert sweep(Marks(rig.state_dir), host_kinds(rig.state_dir), lambda level, text: None) == 1
    assert nothing_is_left(rig, btrfs)


def test_the_snapshot_of_a_running_backup_is_nobodys_to_sweep(rig: VaultRig, home: Path) -> None:
    def sweep_it(root: Path) -> None:
        assert sweep(Marks(rig.state_dir), host_kinds(rig.state_dir), lambda level, text: None) == 0
        assert root.exists()

    result, _ = back_up(rig, home, then=sweep_it)
    assert result.snapshot_id
