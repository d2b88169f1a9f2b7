"""The one view of snapshots that FUSE and WebDAV share."""

import errno

import pytest

from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobState
from phoenix_core.mount.snapshotfolder import CATALOGUE_S, SnapshotFolder
from tests.api.test_downloads import damage_the_largest_pack
from tests.engine.rig import Rig
from tests.mount.conftest import LARGE, SteppedClock


async def times(folder: SnapshotFolder) -> list[bytes]:
    return [node.name for node in await folder.entries(b"/web1")]


async def test_servers_times_and_folders_are_listed(folder: SnapshotFolder) -> None:
    assert [node.name for node in await folder.entries(b"/")] == [b"web1"]
    first, second, latest = await folder.entries(b"/web1")
    assert (first.type, second.type, latest.type) == ("directory", "directory", "symlink")
    assert (latest.name, latest.target) == (b"latest", second.name)
    assert first.name.decode().startswith("20")
    top = b"/web1/" + first.name
    assert [node.name for node in await folder.entries(top)] == [b"srv"]
    names = [node.name for node in await folder.entries(top + b"/srv")]
    assert names == [b"deep", b"large", "odd\nname \N{SNOWMAN}".encode()]
    node = await folder.stat(top + b"/srv/large")
    assert (node.type, node.mode, node.size, node.mtime_ns) == ("file", 0o644, len(LARGE), 1_700_000_000 * 10**9)


async def test_files_are_those_of_their_snapshot(folder: SnapshotFolder) -> None:
    first, second, _ = await times(folder)
    assert await folder.read(b"/web1/" + first + b"/srv/deep/note", 0, 100) == b"old"
    assert await folder.read(b"/web1/" + second + b"/srv/deep/note", 0, 100) == b"newer"
    assert await folder.read(b"/web1/latest/srv/deep/note", 1, 3) == b"ewe"
    assert await folder.read(b"/web1/latest/srv/large", 399_999, 7) == LARGE[399_999:400_006]
    assert await folder.read(b"/web1/latest/srv/large", len(LARGE), 7) == b""


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (b"/web2", errno.ENOENT),
        (b"/web1/2001-01-01T00-00-00Z", errno.ENOENT),
        (b"/web1/latest/srv/none", errno.ENOENT),
        (b"/web1/latest/srv/large/below", errno.ENOENT),
    ],
)
async def test_what_is_not_there_is_said_as_a_file_system_does(
    folder: SnapshotFolder, path: bytes, number: int
) -> None:
    with pytest.raises(OSError) as error:  # noqa: PT011
        await folder.stat(path)
    assert error.value.errno == number


async def test_a_file_is_no_folder_and_a_folder_no_file(folder: SnapshotFolder) -> None:
    with pytest.raises(NotADirectoryError):
        await folder.entries(b"/web1/latest/srv/large")
    for path in (b"/web1/latest/srv", b"/web1", b"/"):
        with pytest.raises(IsADirectoryError):
            await folder.read(path, 0, 1)


async def test_new_snapshots_appear_after_a_while(rig: Rig, folder: SnapshotFolder, clock: SteppedClock) -> None:
    assert len(await times(folder)) == 3
    job = await rig.client.backup(BackupRequest(server="web1"))
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    assert len(await times(folder)) == 3
    clock.now_s += CATALOGUE_S
    assert len(await times(folder)) == 4


async def test_a_mount_lives_through_a_restart_of_the_core(rig: Rig, folder: SnapshotFolder) -> None:
    assert await folder.read(b"/web1/latest/srv/deep/note", 0, 9) == b"newer"
    await rig.stop()
    with pytest.raises(OSError) as error:  # noqa: PT011
        await folder.read(b"/web1/latest/srv/deep/note", 0, 9)
    assert error.value.errno == errno.EIO
    await rig.start()
    assert await folder.read(b"/web1/latest/srv/deep/note", 0, 9) == b"newer"
    assert [mount.place for mount in await rig.client.mounts()] == ["test"]


async def test_damage_is_an_error_of_reading_and_the_rest_is_there(rig: Rig, folder: SnapshotFolder) -> None:
    damage_the_largest_pack(rig.data.vault)
    assert len(await folder.entries(b"/web1/latest/srv")) == 4
    with pytest.raises(OSError) as error:  # noqa: PT011
        await folder.read(b"/web1/latest/srv/large", 0, 100)
    assert error.value.errno == errno.EIO


async def test_a_mount_is_in_the_audit_log_once_and_what_is_read_through_it_is_not(
    rig: Rig, folder: SnapshotFolder
) -> None:
    for at in range(0, 2000, 100):
        await folder.read(b"/web1/latest/srv/large", at, 100)
    await folder.close()
    entries = [each for each in await rig.client.audit() if each.action.startswith("mount ")]
    assert [(each.action, each.outcome) for each in reversed(entries)] == [
        ("mount open", "done"),
        ("mount close", "done"),
    ]
    assert entries[1].detail == '{"place":"test"}'
    assert await rig.client.mounts() == []
    await folder.open()


async def test_a_snapshot_that_is_read_is_not_removed_before_the_mount_ends(rig: Rig, folder: SnapshotFolder) -> None:
    newest, older = (each.id for each in await rig.client.snapshots())
    await folder.read(b"/web1/latest/srv/large", 0, 100)
    with pytest.raises(RemoteError) as error:
        await rig.client.remove_snapshot(newest, typed=newest[:12])
    assert error.value.view().code == "snapshot_mounted"
    assert "the mount in test" in error.value.message
    await rig.client.remove_snapshot(older, typed=older[:12])
    await folder.close()
    await rig.client.remove_snapshot(newest, typed=newest[:12])
    await folder.open()
