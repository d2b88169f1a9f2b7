"""The destination and its space are checked before the first byte is written."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.agent.restore.destination import Free, SpaceNeeds, allocated_bytes, validate
from phoenix_core.agent.restore.errors import (
    DestinationForbidden,
    DestinationNotAbsolute,
    DestinationNotFolder,
    DestinationNotWritable,
    NotEnoughInodes,
    NotEnoughSpace,
    OtherFamily,
)
from phoenix_core.agent.restore.restore_job import RestoreJob
from phoenix_core.domain.errors import PhoenixError, RemoteError
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.entry import Entry, EntryType, Extent
from phoenix_core.vault.errors import PathNotInSnapshot
from phoenix_core.vault.windowsentry import ATTRIBUTES
from tests.agent.independent_walk import differences, walk
from tests.agent.restore.hostile import entry, hostile_agent
from tests.agent.restore.other_user import as_nobody, open_folder
from tests.agent.restore.rig import RestoreRig


@pytest.fixture
def root(rig: RestoreRig) -> bytes:
    """The root of a snapshot with `/folder/file` of 100,000 bytes and an empty `/other`."""
    with hostile_agent(rig.vault) as agent:
        return agent.tree(agent.folder(b"folder", agent.file(b"file", b"x" * 100_000)), entry(b"other"))


def free(count: int, inodes: int = -1) -> object:
    return lambda folder: Free(count, inodes)


@pytest.mark.parametrize(
    ("destination", "error"),
    [
        (b"relative/path", DestinationNotAbsolute),
        (b"/tmp/\0", DestinationNotAbsolute),
        (b"TARGET/file", DestinationNotFolder),
        (b"TARGET/file/below", DestinationNotFolder),
        (b"TARGET/broken/below", None),
        (b"STATE", DestinationForbidden),
        (b"STATE/below", DestinationForbidden),
        (b"TARGET/to state", DestinationForbidden),
        (b"/proc", DestinationForbidden),
        (b"/proc/sys/below", DestinationForbidden),
    ],
)
def test_a_destination_that_will_not_do_is_refused(
    rig: RestoreRig, root: bytes, destination: bytes, error: type[PhoenixError] | None
) -> None:
    rig.target.mkdir()
    (rig.target / "file").write_bytes(b"a file")
    (rig.target / "to state").symlink_to(rig.vault.state_dir)
    (rig.target / "broken").symlink_to(rig.folder / "elsewhere")
    path = destination.replace(b"TARGET", os.fsencode(rig.target)).replace(b"STATE", os.fsencode(rig.vault.state_dir))
    if error is None:
        assert rig.restore(root, destination=path).files == 2
        return
    with pytest.raises(error):
        rig.restore(root, destination=path)
    order, ports = rig.order(root, destination=path)
    with pytest.raises(error):
        RestoreJob(order, ports).run()
    assert ports.steps() == [("WF6.3", "running"), ("WF6.3", "failed")]


@pytest.mark.parametrize("original", [True, False])
def test_a_place_that_this_user_may_not_write_is_refused(tmp_path: Path, original: bool) -> None:
    """A folder of somebody else, one below it that isn't there, and one whose file system says no."""
    with open_folder() as folder:
        (folder / "shut").mkdir(mode=0o755)
        theirs = folder / "shut" if os.geteuid() == 0 else Path("/usr")
        if os.geteuid() == theirs.stat().st_uid != 0:
            pytest.skip("there is no folder of somebody else")
        for path in (theirs, theirs / "below" / "further"):
            asked, targets = (b"", [os.fsencode(path)]) if original else (os.fsencode(path), [])
            with as_nobody(), pytest.raises(DestinationNotWritable):
                validate(asked, targets, tmp_path)


def test_a_folder_of_ones_own_that_is_shut_is_no_obstacle(tmp_path: Path) -> None:
    """It gets the mode of the snapshot in the end, and is opened until then."""
    with open_folder() as folder, as_nobody():
        (folder / "mine").mkdir(mode=0o500)
        assert validate(b"", [os.fsencode(folder / "mine")], tmp_path).is_original


def test_steps_are_reported_in_the_order_of_the_workflow(rig: RestoreRig, root: bytes) -> None:
    order, ports = rig.order(root)
    RestoreJob(order, ports).run()
    done = [step for step, state in ports.steps() if state == "done"]
    assert done == ["WF6.3", "WF6.4", "WF6.5", "WF6.6"]
    assert {progress.phase for progress in ports.told} == {"plan", "download", "finish"}


def test_too_little_space_is_found_before_the_first_byte(rig: RestoreRig, root: bytes) -> None:
    with pytest.raises(NotEnoughSpace) as caught:
        rig.restore(root, free=free(50_000))
    assert caught.value.fields["needed_bytes"] == 25 * 4096 + 4096
    assert caught.value.fields["free_bytes"] == 50_000
    assert "needs 104.0 KiB" in caught.value.message
    assert "48.8 KiB is free" in caught.value.message
    assert not rig.target.exists()


def test_too_few_inodes_are_found_before_the_first_byte(rig: RestoreRig, root: bytes) -> None:
    with pytest.raises(NotEnoughInodes) as caught:
        rig.restore(root, free=free(10**9, 2))
    assert (caught.value.fields["needed"], caught.value.fields["free"]) == (3, 2)
    assert not rig.target.exists()


def test_check_only_tells_what_a_restore_would_do_and_writes_nothing(rig: RestoreRig, root: bytes) -> None:
    order, ports = rig.order(root, check_only=True)
    result = RestoreJob(order, ports, free=free(10**6)).run()  # type: ignore[arg-type]
    assert (result.files, result.directories, result.bytes, result.check_only) == (2, 1, 100_000, True)
    assert (result.needed_bytes, result.free_bytes) == (26 * 4096, 10**6)
    assert result.destination == str(rig.target)
    assert not rig.target.exists()
    assert [step for step, state in ports.steps() if state == "done"] == ["WF6.3", "WF6.4", "WF6.5"]
    assert list((rig.vault.state_dir / "restores").iterdir()) == []


def test_what_is_there_already_needs_no_space(rig: RestoreRig) -> None:
    (rig.source / "large").write_bytes(b"x" * 1_000_000)
    snapshot = rig.backup()
    rig.restore(snapshot)
    result = rig.restore(snapshot, check_only=True)
    assert result.needed_bytes == 0
    (rig.restored / "large").write_bytes(b"y" * 1_000_000)
    needed = {rule: rig.restore(snapshot, check_only=True, conflict=rule).needed_bytes for rule in ConflictRule}
    blocks = -(-1_000_000 // 4096) * 4096
    assert needed == {
        ConflictRule.OVERWRITE: blocks,
        ConflictRule.SKIP: 0,
        ConflictRule.KEEP_BOTH: blocks,
        ConflictRule.IF_OLDER: 0,
    }


def test_hard_links_and_holes_need_space_once_or_not_at_all(rig: RestoreRig) -> None:
    (rig.source / "a").write_bytes(b"x" * 1_000_000)
    os.link(rig.source / "a", rig.source / "b")
    with (rig.source / "sparse").open("wb") as file:
        file.truncate(2**40)
    result = rig.restore(rig.backup(), check_only=True)
    assert 1_000_000 <= result.needed_bytes < 1_100_000


def test_replaced_files_give_their_space_back_one_after_the_other(tmp_path: Path) -> None:
    """Ten files of 1 MiB that replace ten of 1 MiB never need more than one of them beside the old ones."""
    needs = SpaceNeeds(lambda folder: Free(2**20, -1))
    folder = os.open(tmp_path, os.O_PATH)
    needs.at(1, folder)
    os.close(folder)
    for _ in range(10):
        needs.add(1, Entry(b"f", EntryType.FILE, 0o644, 0, 0, size=2**20), freed_bytes=2**20, new_name=False)
    needs.check()
    assert needs.needed_bytes == 2**20
    needs.add(1, Entry(b"g", EntryType.FILE, 0o644, 0, 0, size=2**20 + 1))
    with pytest.raises(NotEnoughSpace):
        needs.check()


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (Entry(b"f", EntryType.FILE, 0, 0, 0, size=0), 0),
        (Entry(b"f", EntryType.FILE, 0, 0, 0, size=1), 4096),
        (Entry(b"f", EntryType.FILE, 0, 0, 0, size=4096), 4096),
        (Entry(b"f", EntryType.FILE, 0, 0, 0, size=2**40, extents=()), 0),
        (Entry(b"f", EntryType.FILE, 0, 0, 0, size=2**40, extents=(Extent(4096, 4096),)), 8192),
        (Entry(b"d", EntryType.DIRECTORY, 0, 0, 0), 4096),
        (Entry(b"l", EntryType.SYMLINK, 0, 0, 0, target=b"x" * 59), 0),
        (Entry(b"l", EntryType.SYMLINK, 0, 0, 0, target=b"x" * 60), 4096),
    ],
)
def test_what_an_entry_will_take(made: Entry, expected: int) -> None:
    assert allocated_bytes(made, 4096) == expected


def test_a_path_that_the_snapshot_does_not_hold_fails_the_restore(rig: RestoreRig, root: bytes) -> None:
    with pytest.raises(PathNotInSnapshot):
        rig.restore(root, paths=[b"/folder/nothing"])


@pytest.fixture
def small_disk(rig: RestoreRig) -> Iterator[Path]:
    """A file system of 2 MiB."""
    place = rig.folder / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,nr_inodes=200", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this user can't mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_destination_that_runs_full_fails_the_restore_which_goes_on_later(
    rig: RestoreRig, small_disk: Path, workers: int
) -> None:
    for number in range(40):
        (rig.source / f"file {number}").write_bytes(os.urandom(100_000))
    snapshot = rig.backup()
    with pytest.raises(PhoenixError) as caught:
        rig.restore(snapshot, to=small_disk, workers=workers, free=free(10**9))
    assert caught.value.view().code == "destination_full"
    assert caught.value.view().retryable
    if workers:
        assert isinstance(caught.value, RemoteError)
    assert list(small_disk.rglob(".phoenix-*")) == []
    there = len(list(small_disk.rglob("file *")))
    assert 10 <= there < 40
    with pytest.raises(NotEnoughSpace):
        rig.restore(snapshot, to=small_disk)
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    result = rig.restore(snapshot, to=small_disk, workers=workers)
    assert (result.files + result.skipped, result.skipped) == (40, there)
    assert differences(walk(rig.source), walk(small_disk / str(rig.source)[1:])) == []


def test_too_little_space_of_a_mount_below_the_destination_is_found(rig: RestoreRig, small_disk: Path) -> None:
    (rig.source / "large").write_bytes(os.urandom(3 * 2**20))
    snapshot = rig.backup()
    target = rig.folder / "big"
    place = target / str(rig.source)[1:]
    place.mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(small_disk), str(place)], check=True)
    try:
        with pytest.raises(NotEnoughSpace) as caught:
            rig.restore(snapshot, to=target)
        assert caught.value.fields["place"] == str(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_read_only_file_system_is_refused(rig: RestoreRig, root: bytes, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(DestinationNotWritable, match="read-only"):
        rig.restore(root, to=small_disk)


@pytest.mark.parametrize("paths", [(), (b"/C/Data/file",)])
def test_a_snapshot_of_windows_is_refused_before_anything_is_written(rig: RestoreRig, paths: tuple[bytes, ...]) -> None:
    with hostile_agent(rig.vault) as agent:
        data = agent.folder(b"Data", agent.file(b"file", b"rows"), pa=True)
        root = agent.tree(agent.folder(b"C", data, pa=True, x=[[ATTRIBUTES, b"\x10\0\0\0"]]))
    with pytest.raises(OtherFamily, match="of a Windows server and can't be restored to this Linux server"):
        rig.restore(root, paths=paths)
    assert not rig.target.exists()
