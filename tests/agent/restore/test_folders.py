"""Folders of the destination are opened by descent, however deep, and never through a link."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.agent.restore.errors import DestinationMoved
from phoenix_core.agent.restore.folders import OPEN_FOLDERS, Descent, FolderCache, open_root
from phoenix_core.agent.restore.remove import remove_folder

DEPTH = 3 * OPEN_FOLDERS


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root").mkdir()
    fd = open_root(os.fsencode(tmp_path / "root"))
    yield fd
    os.close(fd)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def make_deep(root: int, depth: int = DEPTH) -> bytes:
    """Folders `d` in one another; returns the path."""
    fd = os.dup(root)
    for _ in range(depth):
        os.mkdir(b"d", dir_fd=fd)
        below = os.open(b"d", os.O_PATH | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    return b"/".join([b"d"] * depth)


def test_a_descent_goes_deep_and_comes_back_with_few_descriptors(root: int) -> None:
    make_deep(root)
    before = open_descriptors()
    descent = Descent(root)
    inodes = []
    for _ in range(DEPTH):
        inodes.append(os.fstat(descent.fd).st_ino)
        descent.enter(b"d")
    assert open_descriptors() - before <= OPEN_FOLDERS + 1
    while inodes:
        descent.leave()
        assert os.fstat(descent.fd).st_ino == inodes.pop()
    descent.close()
    assert open_descriptors() == before


def test_a_descent_notices_that_a_folder_was_moved(root: int, tmp_path: Path) -> None:
    make_deep(root)
    descent = Descent(root)
    for _ in range(DEPTH):
        descent.enter(b"d")
    top = tmp_path / "root"
    place = "/".join(["d"] * (DEPTH - OPEN_FOLDERS))
    (top / place).rename(tmp_path / "moved")
    for _ in range(OPEN_FOLDERS):
        descent.leave()
    with pytest.raises(DestinationMoved):
        descent.leave()
    descent.close()


def test_links_are_not_entered(root: int, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "below").mkdir(parents=True)
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    descent, cache = Descent(root), FolderCache(root)
    for attempt in (lambda: descent.enter(b"link"), lambda: cache.open(b"link"), lambda: cache.open(b"link/below")):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what counts
            attempt()
        assert caught.value.errno in {errno.ENOTDIR, errno.ELOOP}
    descent.close()
    cache.close()


def test_a_cache_opens_deep_folders_and_keeps_few(root: int) -> None:
    path = make_deep(root)
    before = open_descriptors()
    cache = FolderCache(root, kept=10)
    for at in (path, path[: len(path) // 2], path, b"", b"d/d", path):
        expected = os.stat(f"/proc/self/fd/{root}")
        if at:
            expected = _stat_deep(root, at)
        assert os.path.samestat(os.fstat(cache.open(at)), expected)
        assert open_descriptors() - before <= 11
    cache.close()
    assert open_descriptors() == before


def _stat_deep(root: int, path: bytes) -> os.stat_result:
    fd = os.dup(root)
    for name in path.split(b"/"):
        below = os.open(name, os.O_PATH, dir_fd=fd)
        os.close(fd)
        fd = below
    status = os.fstat(fd)
    os.close(fd)
    return status


def test_a_deep_folder_is_removed_with_all_that_is_in_it(root: int, tmp_path: Path) -> None:
    make_deep(root)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"stays")
    top = tmp_path / "root" / "d"
    (top / "to outside").symlink_to(outside)
    (top / "file").write_bytes(b"goes")
    os.mkfifo(top / "fifo")
    remove_folder(root, b"d", with_content=True)
    assert os.listdir(tmp_path / "root") == []
    assert (outside / "file").read_bytes() == b"stays"


def test_a_folder_that_holds_something_is_removed_only_with_its_content(root: int, tmp_path: Path) -> None:
    (tmp_path / "root" / "folder" / "below").mkdir(parents=True)
    with pytest.raises(OSError, match="not empty"):
        remove_folder(root, b"folder", with_content=False)
    (tmp_path / "root" / "empty").mkdir()
    remove_folder(root, b"empty", with_content=False)
    assert os.listdir(tmp_path / "root") == ["folder"]


def test_what_is_mounted_below_is_not_removed(root: int, tmp_path: Path) -> None:
    place = tmp_path / "root" / "folder" / "mounted"
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this user can't mount a file system")
    try:
        (place / "kept").write_bytes(b"kept")
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what counts
            remove_folder(root, b"folder", with_content=True)
        assert caught.value.errno == errno.EBUSY
        assert (place / "kept").read_bytes() == b"kept"
    finally:
        subprocess.run(["umount", str(place)], check=True)
