"""The product's own comparison finds every kind of difference, and tells apart what is none."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from phoenix_core.agent.compare import Comparison, compare
from tests.agent import kinds_of_entries
from tests.agent.restore.other_user import NOBODY, as_nobody, open_folder

LONG_AGO = 2**62
"""A backup that began after all that the tests do: nothing counts as changed since."""


def pair(folder: Path) -> tuple[Path, Path]:
    one, two = folder / "one", folder / "two"
    for top in (one, two):
        (top / "sub").mkdir(parents=True)
        (top / "file").write_bytes(b"content")
        (top / "sub" / "other").write_bytes(bytes(100_000) + b"end")
        (top / "link").symlink_to("file")
        os.link(top / "file", top / "again")
        for path in ("file", "sub/other", "sub", "link", "."):
            os.utime(top / path, ns=(10**18, 10**18), follow_symlinks=False)
    return one, two


def check(one: Path, two: Path, **more: object) -> Comparison:
    options = {"since_ns": LONG_AGO, **more}
    return compare(os.fsencode(one), os.fsencode(two), **options)  # type: ignore[arg-type]


def lines(found: Comparison) -> list[tuple[str, str]]:
    return [(each.path.rpartition("/one")[2], each.what) for each in found.differences]


def test_equal_trees_are_equal(tmp_path: Path) -> None:
    one, two = pair(tmp_path)
    found = check(one, two)
    assert found.is_equal
    assert (found.entries, found.bytes) == (5, 100_003 + 14)


def test_a_tree_of_every_kind_equals_itself(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    kinds_of_entries.build(tmp_path / "tree")
    found = check(tmp_path / "tree", tmp_path / "tree")
    assert lines(found) == []
    assert found.entries > 300
    kinds_of_entries.remove(tmp_path / "tree")


def change_content(top: Path) -> None:
    (top / "sub" / "other").write_bytes(bytes(100_000) + b"enD")
    os.utime(top / "sub" / "other", ns=(10**18, 10**18))


def grow(top: Path) -> None:
    (top / "sub" / "other").write_bytes(bytes(100_001) + b"end")
    os.utime(top / "sub" / "other", ns=(10**18, 10**18))


def unlink(top: Path) -> None:
    (top / "again").unlink()
    (top / "again").write_bytes(b"content")
    os.utime(top / "again", ns=(10**18, 10**18))
    os.utime(top, ns=(10**18, 10**18))


def retarget(top: Path) -> None:
    (top / "link").unlink()
    (top / "link").symlink_to("elsewhere")
    os.utime(top / "link", ns=(10**18, 10**18), follow_symlinks=False)
    os.utime(top, ns=(10**18, 10**18))


def make_folder(top: Path) -> None:
    (top / "link").unlink()
    (top / "link").mkdir()
    os.utime(top, ns=(10**18, 10**18))


def remove(top: Path) -> None:
    (top / "link").unlink()
    os.utime(top, ns=(10**18, 10**18))


def add(top: Path) -> None:
    (top / "more").write_bytes(b"")
    os.utime(top, ns=(10**18, 10**18))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (change_content, [("/sub/other", "content")]),
        (grow, [("/sub/other", "size")]),
        (unlink, [("/file", "hard links")]),
        (retarget, [("/link", "target")]),
        (make_folder, [("/link", "type")]),
        (remove, [("/link", "not restored")]),
        (add, [("/more", "too much")]),
        (lambda top: os.chmod(top / "sub", 0o700), [("/sub", "mode")]),
        (lambda top: os.utime(top, ns=(10**18, 10**18 + 1)), [("", "mtime")]),
        (lambda top: os.setxattr(top / "sub", "user.more", b"x"), [("/sub", "xattr user.more")]),
        (lambda top: os.setxattr(top / "sub" / "other", "user.more", b"x"), [("/sub/other", "xattr user.more")]),
    ],
)
def test_each_kind_of_difference_is_found(
    tmp_path: Path, spoil: Callable[[Path], None], expected: list[tuple[str, str]]
) -> None:
    one, two = pair(tmp_path)
    spoil(two)
    assert lines(check(one, two)) == expected


def test_what_changed_at_the_source_since_the_backup_is_no_difference(tmp_path: Path) -> None:
    one, two = pair(tmp_path)
    time.sleep(0.05)  # beyond the coarseness of the kernel's time stamps
    since_ns = time.time_ns()
    time.sleep(0.05)
    (one / "sub" / "other").write_bytes(b"new")
    (one / "sub" / "added").write_bytes(b"new")
    (one / "link").unlink()
    found = check(one, two, since_ns=since_ns)
    assert found.is_equal
    changed = {each.path.rpartition("/one")[2] for each in found.changed}
    assert changed == {"", "/sub", "/sub/other", "/sub/added", "/link"}


def test_missing_and_left_out_paths_are_no_differences(tmp_path: Path) -> None:
    one, two = pair(tmp_path)
    (one / "locked").write_bytes(b"x")
    (one / "data").mkdir()
    for top in (one, two):
        os.utime(top, ns=(10**18, 10**18))
    found = check(one, two, missing={str(one / "locked")}, leave_out={os.fsencode(one / "data")})
    assert found.is_equal
    assert [each.path for each in found.not_comparable] == [str(one / "locked")]


def test_single_files_are_compared(tmp_path: Path) -> None:
    one, two = pair(tmp_path)
    assert check(one / "sub" / "other", two / "sub" / "other").is_equal
    change_content(two)
    assert [each.what for each in check(one / "sub" / "other", two / "sub" / "other").differences] == ["content"]


def test_many_files_are_compared_by_worker_processes(tmp_path: Path) -> None:
    for top in (tmp_path / "one", tmp_path / "two"):
        top.mkdir()
        for number in range(600):
            (top / f"file {number}").write_bytes(b"%d" % number)
            os.utime(top / f"file {number}", ns=(10**18, 10**18))
        os.utime(top, ns=(10**18, 10**18))
    (tmp_path / "two" / "file 17").write_bytes(b"18")
    os.utime(tmp_path / "two" / "file 17", ns=(10**18, 10**18))
    told: list[tuple[int, int]] = []
    found = check(
        tmp_path / "one", tmp_path / "two", workers=2, progress=lambda entries, count: told.append((entries, count))
    )
    assert lines(found) == [("/file 17", "content")]
    assert found.entries == 600
    assert told[-1] == (found.entries, found.bytes)


def test_what_this_user_cannot_read_or_own_is_told_apart() -> None:
    with open_folder() as folder, as_nobody():
        one, two = pair(folder)
        for top in (one, two):
            (top / "sub" / "other").chmod(0)
        if os.getuid() == 0:
            os.seteuid(0)
            os.chown(one / "file", 1, 1)
            os.seteuid(NOBODY)
        found = check(one, two)
    assert found.is_equal
    told = {each.path.rpartition("/one")[2]: each.what for each in found.not_comparable}
    assert told.pop("/sub/other") == "Permission denied"
    assert set(told.values()) <= {"this user can't set: owner"}
