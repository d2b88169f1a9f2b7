"""Snapshots of LVM volumes: what LVM answers, and backups from copies of real file systems in place of them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.agent.linuxjobs import live_backup
from phoenix_core.agent.sourcesnapshots.errors import CommandFailed, CommandMissing, CommandTimedOut, SourceSnapshotLost
from phoenix_core.agent.sourcesnapshots.hostkinds import host_kinds
from phoenix_core.agent.sourcesnapshots.kind import NoSnapshot, Place, Volume
from phoenix_core.agent.sourcesnapshots.lvm import LvmSnapshots
from phoenix_core.agent.sourcesnapshots.marks import FOLDER, Mark, Marks
from phoenix_core.agent.sourcesnapshots.mounttable import Mount, MountTable
from phoenix_core.agent.sourcesnapshots.snapshots import sweep
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.agentlink.sourcesnapshots import SourceSnapshotOrder
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from tests.agent.sourcesnapshots.commandsdouble import AnsweredCommands, recorded
from tests.agent.sourcesnapshots.looplvm import LoopLvm, has_freezing
from tests.agent.sourcesnapshots.loops import mounted, unpack
from tests.agent.vault_rig import RigPorts, VaultRig, one_pack_only

REQUIRED = SourceSnapshotOrder(SourceSnapshot.REQUIRED, lvm_percent=25)
NO_TABLE = MountTable(())


def place(minor: int, kind: str = "ext4") -> Place:
    return Place(b"/data", Mount(40, os.makedev(253, minor), b"/", b"/data", kind, b"/dev/mapper/vg0-data"))


def volume_of(answers: str | CommandMissing, where: Place, percent: int = 15) -> Volume:
    return LvmSnapshots(b"/own", AnsweredCommands({"lvs *": answers}), percent).volume(where, NO_TABLE)


def test_a_plain_volume_has_room_set_aside_in_whole_extents() -> None:
    volume = volume_of(recorded("lvs-thick.json"), place(1))
    assert (volume.name, volume.cow_bytes) == ("vg0/data", 8 * (4 << 20))  # 15 % of 50 extents


def test_a_thin_volume_needs_no_room() -> None:
    volume = volume_of(recorded("lvs-thin.json"), place(6, "xfs"))
    assert (volume.name, volume.cow_bytes) == ("vg0/home", 0)


@pytest.mark.parametrize(
    ("answers", "minor", "kind", "why"),
    [
        (recorded("lvs-thick.json"), 9, "ext4", "doesn't lie on an LVM volume"),
        (recorded("lvs-none.json"), 1, "xfs", "doesn't lie on an LVM volume"),
        (recorded("lvs-thick.json"), 1, "vfat", "no snapshots of vfat"),
        (recorded("lvs-thick.json"), 4, "ext4", "vg0/manual is a snapshot itself"),
        (recorded("lvs-thick.json").replace("1514143744", "4194304"), 1, "ext4", "vg0 has 4.0 MiB free"),
        (recorded("lvs-thin.json").replace("42.17", "90.00"), 6, "ext4", "vg0/pool is 90 % full"),
        (recorded("lvs-thin.json").replace("11.04", "97.31"), 6, "ext4", "vg0/pool is 97 % full of metadata"),
        (CommandMissing(command="lvs"), 1, "ext4", "LVM is not installed"),
    ],
    ids=["other device", "no volumes", "vfat", "snapshot", "no room", "pool full", "pool's metadata full", "no LVM"],
)
def test_what_can_have_none_says_why(answers: str | CommandMissing, minor: int, kind: str, why: str) -> None:
    with pytest.raises(NoSnapshot, match=why):
        volume_of(answers, place(minor, kind))


def test_an_answer_that_is_not_understood_is_an_error() -> None:
    with pytest.raises(CommandFailed, match="not understood"):
        volume_of("  LV   VG   Attr\n  data vg0  -wi-ao----\n", place(1))


def test_a_thin_snapshot_is_activated_and_read_only(tmp_path: Path) -> None:
    """lvcreate(8): thin snapshots have the activation-skip flag unless told otherwise."""
    row = recorded("lvs-thin.json").replace('"home"', '"phoenix_s1_j1_1"').replace("vg0/home", "vg0/phoenix_s1_j1_1")
    row = row.replace("Vwi-aotz--", "Vri-a-tz--")
    row = row.replace('"origin":""', '"origin":"home"').replace('"lv_tags":""', '"lv_tags":"phoenix,phoenix_job=j1"')
    commands = AnsweredCommands({"lvs *": row, "lvcreate *": "", "mount *": ""})
    lvm = LvmSnapshots(os.fsencode(tmp_path), commands, 15)
    volume = Volume("LVM", "vg0/home", "vg0/home", "xfs", b"/home", folder=os.fsencode(tmp_path))
    (mark,) = lvm.make([volume], [Mark("LVM", "j1", "phoenix_s1_j1_1", "vg0/home", os.fsencode(tmp_path))])
    assert mark.id == "3R46rx-Ipnl-iIRO-V3rl-D1n3-CrQ5-cUnVDT"
    assert commands.of("lvcreate") == [
        "lvcreate --yes --snapshot --permission r --addtag phoenix --addtag phoenix_job=j1 --name phoenix_s1_j1_1"
        " --setactivationskip n vg0/home"
    ]
    assert commands.of("mount") == [
        f"mount -t xfs -o ro,nosuid,nodev,noexec,nouuid,norecovery /dev/vg0/phoenix_s1_j1_1 {tmp_path}/phoenix_s1_j1_1"
    ]


@pytest.mark.parametrize(
    "other",
    [
        ('"phoenix_s1_j1_1"', '"lv_tags":""'),  # somebody made one of our name
        ('"phoenix_s1_j1_1"', '"lv_tags":"phoenix,phoenix_job=j2"'),
    ],
)
def test_a_volume_without_our_tags_is_never_removed(other: tuple[str, str], tmp_path: Path) -> None:
    name, tags = other
    row = recorded("lvs-thick.json").replace('"manual"', name).replace('"lv_tags":"by-hand"', tags)
    commands = AnsweredCommands({"lvs *": row, "vgs *": "  vg0\n"})
    lvm = LvmSnapshots(os.fsencode(tmp_path), commands, 15)
    assert not lvm.delete(Mark("LVM", "j1", "phoenix_s1_j1_1", "vg0/root", os.fsencode(tmp_path)))
    assert commands.of("lvremove") == []


# --- backups ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["ext4", "xfs"])
def lvm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LoopLvm]:
    """A file system that is taken for one on an LVM volume."""
    if not has_freezing():
        pytest.skip("only root can hold a file system still, with util-linux's fsfreeze")
    image = tmp_path / "data.img"
    if request.param == "xfs":
        unpack("xfs", image)
    else:
        mkfs = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin")
        if mkfs is None:
            pytest.skip("e2fsprogs is not installed here")
        image.touch()
        os.truncate(image, 32 << 20)
        subprocess.run([mkfs, "-q", str(image)], check=True)
    with mounted(image, tmp_path / "data") as folder:
        (folder / "docs").mkdir()
        (folder / "docs" / "letter").write_bytes(b"as it was")
        (folder / "docs" / "same").hardlink_to(folder / "docs" / "letter")
        (folder / "image").write_bytes(os.urandom(1 << 20))
        yield LoopLvm(image, folder)


def folder_of(lvm: LoopLvm) -> Path:
    folder = lvm.volumes["data"].point
    assert folder is not None
    return folder


def back_up(
    rig: VaultRig, lvm: LoopLvm, *, parent: BackupResult | None = None, **more: Any
) -> tuple[BackupResult, RigPorts]:
    order, ports = rig.backup_order(
        folder_of(lvm), parent=parent, **{"workers": 1, "source_snapshot": REQUIRED, **more}
    )
    try:
        return live_backup(order, ports, kinds=host_kinds(rig.state_dir, 25, lvm)).run(), ports
    finally:
        rig.end(ports)


def test_a_backup_reads_the_snapshot_and_incrementals_go_on_from_live_ones(rig: VaultRig, lvm: LoopLvm) -> None:
    folder = folder_of(lvm)
    live, _ = back_up(rig, lvm, source_snapshot=None)
    make, letter = lvm.run, folder / "docs" / "letter"

    def run(command: str, *arguments: str) -> str:
        answer = make(command, *arguments)
        if command == "lvcreate":
            letter.write_bytes(b"too late")
        return answer

    lvm.run = run  # type: ignore[method-assign]
    result, _ = back_up(rig, lvm, parent=live)
    assert (result.read_bytes, result.changed_files, result.missing_count) == (0, 0, 0)
    assert rig.below(result, folder) == rig.below(live, folder)
    assert result.source_snapshots == (f"{folder} (LVM)",)
    assert lvm.snapshots == []
    assert list((rig.state_dir / FOLDER).iterdir()) == []
    anew, _ = back_up(rig, lvm, parent=result)
    assert rig.content(rig.entries(anew.snapshot_id)[os.fsencode(letter)]) == b"too late"


def test_of_a_snapshot_that_overflowed_nothing_is_committed(rig: VaultRig, lvm: LoopLvm) -> None:
    with one_pack_only(rig, lvm.overflow) as go_on:
        go_on.set()
        with pytest.raises(SourceSnapshotLost, match="more was written to the volume") as caught:
            back_up(rig, lvm)
    assert caught.value.retryable
    assert "backup.lvm_snapshot_percent" in caught.value.what_to_do
    assert lvm.snapshots == []


def test_a_snapshot_still_in_use_is_deleted_by_the_next_sweep(rig: VaultRig, lvm: LoopLvm) -> None:
    make = lvm.run
    held: list[int] = []

    def run(command: str, *arguments: str) -> str:
        answer = make(command, *arguments)
        if command == "mount":
            held.append(os.open(Path(arguments[-1], "image"), os.O_RDONLY))
        return answer

    lvm.run = run  # type: ignore[method-assign]
    kinds = host_kinds(rig.state_dir, 25, lvm)
    kinds.lvm._wait_s = 0.0  # type: ignore[attr-defined]
    order, ports = rig.backup_order(folder_of(lvm), workers=1, source_snapshot=REQUIRED)
    assert live_backup(order, ports, kinds=kinds).run().snapshot_id
    assert any("could not be deleted yet" in text for text in ports.logged())
    assert len(lvm.snapshots) == 1
    os.close(held.pop())
    assert sweep(Marks(rig.state_dir), kinds, lambda level, text: None) == 1
    assert lvm.snapshots == []
    assert list((rig.state_dir / FOLDER).iterdir()) == []


def test_a_snapshot_that_comes_after_its_command_was_given_up_is_deleted_by_a_later_sweep(
    rig: VaultRig, lvm: LoopLvm
) -> None:
    make = lvm.run
    late: list[tuple[str, ...]] = []

    def run(command: str, *arguments: str) -> str:
        if command != "lvcreate":
            return make(command, *arguments)
        late.append(arguments)
        raise CommandTimedOut(command=command, seconds="120", pid=1)

    lvm.run = run  # type: ignore[method-assign]
    wanted = SourceSnapshotOrder(SourceSnapshot.IF_AVAILABLE, lvm_percent=25)
    result, _ = back_up(rig, lvm, source_snapshot=wanted)
    assert result.source_snapshots == ()
    make("lvcreate", *late.pop())
    assert sweep(Marks(rig.state_dir), host_kinds(rig.state_dir, 25, lvm), lambda level, text: None) == 1
    assert lvm.snapshots == []
    assert list((rig.state_dir / FOLDER).iterdir()) == []
