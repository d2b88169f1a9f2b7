"""Which file system a path lies on."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.agent.sourcesnapshots.mounttable import MountTable

LINES = (
    b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",  # proc_pid_mountinfo(5)
    rb"40 1 0:33 /@home /mnt/a\040b\134c rw,relatime shared:1 - btrfs /dev/sda2 rw,space_cache=v2,subvol=/@home",
    b"41 1 7:0 / /mnt/image ro - squashfs /dev/loop0 ro,errors=continue",
    b"half a line",
)


def test_lines_of_the_kernel_are_understood() -> None:
    table = MountTable(LINES)
    first, second, third = table._by_id.values()
    assert (first.device, first.root, first.point, first.kind) == (os.makedev(98, 0), b"/mnt1", b"/mnt2", "ext3")
    assert (second.root, second.point, second.source) == (b"/@home", rb"/mnt/a b\c", b"/dev/sda2")
    assert (second.read_only, third.read_only) == (False, True)


@pytest.fixture
def nested(tmp_path: Path) -> Iterator[Path]:
    """A mount, one in it, and one over both: only the last can be seen."""
    places = [tmp_path / "a", tmp_path / "a" / "b"]
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    for place in (*places, places[0]):
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], check=True)
    yield tmp_path
    for _ in range(2):
        subprocess.run(["umount", "-l", str(places[0])], check=True)


def test_what_is_mounted_over_is_not_seen(nested: Path) -> None:
    table = MountTable.current()
    found = [mount.point for mount in table.visible_below(os.fsencode(nested))]
    assert found == [os.fsencode(nested / "a")]
    (nested / "a" / "file").touch()
    mount = table.of(os.fsencode(nested / "a" / "file"))
    assert mount is not None
    assert (mount.point, mount.kind) == (os.fsencode(nested / "a"), "tmpfs")
    outer = table.of(os.fsencode(nested))
    assert outer is not None
    assert outer.id != mount.id


def test_what_a_path_lies_on_is_told_by_the_table_alone() -> None:
    """As where `/` is in a mount of its own, one is mounted in another, and one over both."""
    table = MountTable(
        (
            b"1 1 0:2 / / rw - rootfs rootfs rw",
            b"20 1 8:1 / / rw - ext4 /dev/sda1 rw",
            b"21 20 8:2 / /a rw - xfs /dev/sdb1 rw",
            b"22 21 8:3 / /a/b rw - xfs /dev/sdc1 rw",
            b"23 20 8:4 / /ab rw - xfs /dev/sdd1 rw",
        )
    )
    found = {path: getattr(table.of(path), "id", None) for path in (b"/", b"/a", b"/a/b/x", b"/a/bc", b"/abc", b"/ab")}
    assert found == {b"/": 20, b"/a": 21, b"/a/b/x": 22, b"/a/bc": 21, b"/abc": 20, b"/ab": 23}
    assert [mount.id for mount in table.visible_below(b"/")] == [21, 22, 23]
