"""Where things go: the original place, selected paths, folders on the way, names that lead through links."""

import os
import stat
from pathlib import Path

import pytest

from phoenix_core.agent.restore.selection import tops
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.kinds import PackKind
from tests.agent import kinds_of_entries
from tests.agent.independent_walk import differences, walk
from tests.agent.restore.rig import RestoreRig

LONG_AGO = 10**18


def made(path: Path, content: bytes = b"content", mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def test_the_original_place_gets_back_what_was_lost(rig: RestoreRig) -> None:
    kinds_of_entries.build(rig.source, many=20, large_bytes=2**20)
    original = walk(rig.source)
    snapshot = rig.backup()
    kinds_of_entries.remove(rig.source)
    result = rig.restore(snapshot, destination=b"")
    assert differences(original, walk(rig.source)) == []
    assert (result.destination, result.missing_count) == ("/", 0)
    kinds_of_entries.remove(rig.source)


def test_the_original_place_is_mended_and_the_rest_of_it_stays(rig: RestoreRig) -> None:
    made(rig.source / "a" / "changed", b"before")
    made(rig.source / "a" / "same")
    made(rig.source / "b" / "removed")
    original = walk(rig.source)
    snapshot = rig.backup()
    (rig.source / "a" / "changed").write_bytes(b"after")
    (rig.source / "b" / "removed").unlink()
    made(rig.source / "b" / "new")
    result = rig.restore(snapshot, destination=b"")
    assert (result.files, result.skipped) == (2, 1)
    assert (rig.source / "b" / "new").exists()
    (rig.source / "b" / "new").unlink()
    os.utime(rig.source / "b", ns=(0, original[b"b"].mtime_ns))
    assert differences(original, walk(rig.source)) == []


def test_only_the_selected_paths_come_back(rig: RestoreRig) -> None:
    for name in ("a/one", "a/two", "b/three", "b/four/five", "six"):
        made(rig.source / name)
    paths = [rig.source / "a" / "two", rig.source / "b" / "four", rig.source / "b" / "four" / "five"]
    result = rig.restore(rig.backup(), paths=paths)
    found = {str(path.relative_to(rig.restored)) for path in rig.restored.rglob("*")}
    assert found == {"a", "a/two", "b", "b/four", "b/four/five"}
    assert (result.files, result.directories) == (2, 1)


def test_folders_on_the_way_are_made_like_those_of_the_source(rig: RestoreRig) -> None:
    made(rig.source / "way" / "to" / "file")
    (rig.source / "way").chmod(0o751)
    os.utime(rig.source / "way", ns=(0, LONG_AGO))
    rig.restore(rig.backup(), paths=[rig.source / "way" / "to" / "file"])
    status = (rig.restored / "way").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o751, LONG_AGO)


@pytest.mark.parametrize("original", [True, False])
def test_folders_on_the_way_that_exist_are_left_alone(rig: RestoreRig, original: bool) -> None:
    made(rig.source / "way" / "to" / "file")
    snapshot = rig.backup()
    top = rig.source if original else rig.restored
    (top / "way").mkdir(parents=True, exist_ok=True)
    (top / "way").chmod(0o711)
    (rig.source / "way" / "to" / "file").unlink()
    more = {"destination": b""} if original else {}
    rig.restore(snapshot, paths=[rig.source / "way" / "to" / "file"], **more)
    assert stat.S_IMODE((top / "way").stat().st_mode) == 0o711
    assert (top / "way" / "to" / "file").exists()


def test_at_the_original_place_a_link_on_the_way_is_neither_followed_nor_replaced(rig: RestoreRig) -> None:
    """Say, `/bin/tool` of a snapshot from before `/bin` became a link."""
    made(rig.source / "bin" / "tool")
    snapshot = rig.backup()
    (rig.source / "bin" / "tool").unlink()
    (rig.source / "bin").rmdir()
    (rig.source / "usr").mkdir()
    (rig.source / "bin").symlink_to("usr")
    result = rig.restore(snapshot, destination=b"", paths=[rig.source / "bin" / "tool"])
    assert [(each.path, each.reason) for each in result.missing] == [(str(rig.source / "bin"), "link_in_the_way: usr")]
    assert (rig.source / "bin").is_symlink()
    assert os.listdir(rig.source / "usr") == []


def test_metadata_of_folders_that_exist_follows_the_rule(rig: RestoreRig) -> None:
    (rig.source / "folder").mkdir(mode=0o750)
    os.utime(rig.source / "folder", ns=(0, LONG_AGO))
    snapshot = rig.backup()
    modes: dict[tuple[ConflictRule, int], int] = {}
    for rule in ConflictRule:
        for time_ns in (LONG_AGO - 1, LONG_AGO + 1):
            (rig.restored / "folder").mkdir(parents=True, exist_ok=True)
            (rig.restored / "folder").chmod(0o700)
            os.utime(rig.restored / "folder", ns=(0, time_ns))
            rig.restore(snapshot, conflict=rule)
            modes[rule, time_ns - LONG_AGO] = stat.S_IMODE((rig.restored / "folder").stat().st_mode)
    applied = {key for key, mode in modes.items() if mode == 0o750}
    assert applied == {(ConflictRule.OVERWRITE, -1), (ConflictRule.OVERWRITE, 1), (ConflictRule.IF_OLDER, -1)}


def test_the_destination_may_be_named_through_a_link(rig: RestoreRig) -> None:
    made(rig.source / "file")
    rig.target.mkdir()
    (rig.folder / "link").symlink_to(rig.target)
    result = rig.restore(rig.backup(), to=rig.folder / "link" / "new")
    assert result.destination == str(rig.target / "new")
    assert (rig.target / "new" / str(rig.source)[1:] / "file").exists()


def test_what_a_restore_of_everything_writes_is_what_was_backed_up(rig: RestoreRig) -> None:
    made(rig.source / "a" / "file")
    made(rig.source / "b" / "c" / "file")
    snapshot = rig.backup(rig.source / "a" / "file", rig.source / "b")
    root = rig.vault.body(snapshot.snapshot_id).root
    places = tops(rig.vault.reader(PackKind.META), root, ())
    assert sorted(places) == [os.fsencode(rig.source), os.fsencode(rig.source / "a")]
    selected = [os.fsencode(rig.source / "b" / "c")]
    assert tops(rig.vault.reader(PackKind.META), root, selected) == selected
