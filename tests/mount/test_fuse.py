"""Snapshots as a mount by FUSE: the calls themselves everywhere, a real mount where the machine has libfuse."""

import asyncio
import errno
import os
import stat
import sys
import types
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from phoenix_core.mount import fuse
from phoenix_core.mount.errors import FuseUnavailable, MountLeft, MountPointUnusable
from phoenix_core.mount.fuse import FuseMount, SnapshotOperations, load_fuse
from phoenix_core.mount.snapshotfolder import SnapshotFolder
from tests.api.test_downloads import damage_the_largest_pack
from tests.engine.rig import Rig
from tests.mount.conftest import LARGE


@pytest.fixture
async def operations(folder: SnapshotFolder) -> SnapshotOperations:
    return SnapshotOperations(folder, asyncio.get_running_loop())


async def test_calls_answer_as_a_file_system_does(operations: SnapshotOperations) -> None:
    def calls() -> None:
        assert [name for name, _, _ in operations.readdir("/", 0)] == [".", "..", "web1"]
        target = operations.readlink("/web1/latest")
        status = operations.getattr(f"/web1/{target}/srv/large")
        assert (status["st_mode"], status["st_size"]) == (stat.S_IFREG | 0o644, len(LARGE))
        assert status["st_blocks"] == len(LARGE) // 512
        handle = operations.open("/web1/latest/srv/large", os.O_RDONLY)
        assert operations.read("/web1/latest/srv/large", 100, 399_950, handle) == LARGE[399_950:400_050]
        operations.release("/web1/latest/srv/large", handle)
        for call, number in (
            (lambda: operations.open("/web1/latest/srv/large", os.O_RDWR), errno.EROFS),
            (lambda: operations.access("/web1", os.W_OK), errno.EROFS),
            (lambda: operations.getattr("/web1/nothing"), errno.ENOENT),
            (lambda: operations.readlink("/web1"), errno.EINVAL),
            (lambda: operations.getxattr("/", "user.x"), errno.ENODATA),
        ):
            with pytest.raises(OSError) as error:  # noqa: PT011
                call()
            assert error.value.errno == number

    await asyncio.to_thread(calls)


@pytest.fixture
async def mounted(folder: SnapshotFolder, tmp_path: Path) -> AsyncIterator[Path]:
    try:
        load_fuse()
    except FuseUnavailable as error:
        pytest.skip(error.message)
    place = tmp_path / "mnt \N{SNOWMAN}"
    place.mkdir()
    mount = FuseMount(folder, place)
    await mount.start()
    yield place
    await mount.stop()
    assert not await asyncio.to_thread(os.path.ismount, place)


async def test_programs_read_the_mount_as_any_folder(mounted: Path) -> None:
    def look() -> None:
        assert sorted(os.listdir(mounted / "web1/latest/srv")) == [
            "<b>&.html",
            "deep",
            "large",
            "odd\nname \N{SNOWMAN}",
        ]
        assert (mounted / "web1/latest/srv/large").read_bytes() == LARGE
        assert (mounted / "web1/latest/srv/odd\nname \N{SNOWMAN}").read_bytes() == b"odd"
        assert (mounted / "web1/latest").is_symlink()
        with pytest.raises(OSError) as error:  # noqa: PT011
            (mounted / "web1/new").touch()
        assert error.value.errno == errno.EROFS
        with pytest.raises(FileNotFoundError):
            (mounted / "web1/latest/srv/none").read_bytes()

    await asyncio.to_thread(look)


async def test_set_id_bits_and_devices_have_no_force_there_and_other_accounts_are_kept_out(mounted: Path) -> None:
    def look() -> None:
        device = (mounted / "web1").stat().st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        (options, of_all) = next((line[5], line[-1]) for line in lines if line[2] == number)
        assert {"ro", "nosuid", "nodev"} <= set(options.split(","))
        assert "allow_other" not in of_all.split(",")

    await asyncio.to_thread(look)


async def test_damage_is_an_error_of_reading(rig: Rig, mounted: Path) -> None:
    damage_the_largest_pack(rig.data.vault)

    def look() -> None:
        with pytest.raises(OSError) as error:  # noqa: PT011
            (mounted / "web1/latest/srv/large").read_bytes()
        assert error.value.errno == errno.EIO
        assert len(list((mounted / "web1/latest/srv").iterdir())) == 4

    await asyncio.to_thread(look)


async def test_a_mount_that_somebody_unmounts_ends(folder: SnapshotFolder, tmp_path: Path) -> None:
    try:
        load_fuse()
    except FuseUnavailable as error:
        pytest.skip(error.message)
    mount = FuseMount(folder, tmp_path / "m")
    (tmp_path / "m").mkdir()
    await mount.start()
    await asyncio.to_thread(fuse._unmount, tmp_path / "m", lazy=False)
    await asyncio.wait_for(mount.ended(), 20)
    await mount.stop()


async def test_a_mount_whose_process_was_killed_is_told(
    folder: SnapshotFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: Path) -> bool:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected", str(path))

    monkeypatch.setattr(fuse, "load_fuse", lambda: None)
    monkeypatch.setattr(Path, "iterdir", gone)
    with pytest.raises(MountLeft) as error:
        await FuseMount(folder, tmp_path / "a b").start()
    assert f"fusermount3 -u '{tmp_path / 'a b'}'" in error.value.what_to_do


async def test_a_place_that_will_not_do_is_told(
    folder: SnapshotFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuse, "load_fuse", lambda: None)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    (tmp_path / "file").touch()
    for name, why in (
        ("full", "isn't empty"),
        ("file", "not a directory"),
        ("none", "no such file"),
        ("/proc", "mounted"),
    ):
        with pytest.raises(MountPointUnusable, match=why):
            await FuseMount(folder, tmp_path / name).start()


def test_what_is_lacking_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mfusepy", None)
    with pytest.raises(FuseUnavailable, match="mfusepy is not installed") as error:
        load_fuse()
    assert "pip install mfusepy" in error.value.what_to_do
    assert "--webdav" in error.value.what_to_do
    monkeypatch.setitem(sys.modules, "mfusepy", types.ModuleType("mfusepy"))
    monkeypatch.setattr(fuse, "DEVICE", tmp_path / "fuse")
    with pytest.raises(FuseUnavailable, match="there is no") as error:
        load_fuse()
    assert "modprobe fuse" in error.value.what_to_do
