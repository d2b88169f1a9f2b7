"""What a backup's paths may be, and what is left out."""

import os
from pathlib import Path

import pytest

from phoenix_core.agent.backup.sources import canonical
from phoenix_core.agent.errors import (
    NothingToBackUp,
    PathExcluded,
    PathNotAbsolute,
    PathNotFound,
)
from phoenix_core.domain.patterns import PatternInvalid
from tests.agent.backup.running import back_up
from tests.agent.vault_rig import VaultRig


def paths_in(rig: VaultRig, snapshot_id: str, root: Path) -> set[str]:
    """Paths of a snapshot below `root`."""
    top = os.fsencode(root) + b"/"
    return {path.removeprefix(top).decode() for path in rig.entries(snapshot_id) if path.startswith(top)}


def test_a_single_file_with_its_ancestors(rig: VaultRig, source: Path) -> None:
    (source / "one").write_text("one")
    (source / "two").write_text("two")
    result, _ = back_up(rig, source / "one")
    entries = rig.entries(result.snapshot_id)
    assert rig.content(entries[os.fsencode(source / "one")]) == b"one"
    assert [path for path, entry in entries.items() if not entry.partial] == [os.fsencode(source / "one")]
    above = entries[os.fsencode(source)]
    assert (above.mode, above.mtime_ns) == (source.stat().st_mode & 0o7777, source.stat().st_mtime_ns)
    assert (result.files, result.directories) == (1, 0)


def test_a_single_link_is_taken_as_a_link(rig: VaultRig, source: Path) -> None:
    (source / "link").symlink_to("/etc")
    result, _ = back_up(rig, source / "link")
    assert rig.entries(result.snapshot_id)[os.fsencode(source / "link")].target == b"/etc"
    assert (result.files, result.other_entries) == (0, 1)


def test_a_link_with_a_slash_behind_it_means_the_folder(rig: VaultRig, source: Path) -> None:
    (source / "real").mkdir()
    (source / "real" / "file").write_text("x")
    (source / "link").symlink_to("real")
    result, _ = back_up(rig, os.fsencode(source / "link") + b"/")
    assert paths_in(rig, result.snapshot_id, source) == {"real", "real/file"}


def test_links_on_the_way_are_resolved(rig: VaultRig, source: Path) -> None:
    (source / "real").mkdir()
    (source / "real" / "file").write_text("x")
    (source / "link").symlink_to("real")
    result, _ = back_up(rig, source / "link" / "file")
    assert rig.body(result.snapshot_id).paths == (os.fsencode(source / "real" / "file"),)
    assert paths_in(rig, result.snapshot_id, source) == {"real", "real/file"}


def test_overlapping_and_doubled_paths_are_taken_once(rig: VaultRig, source: Path) -> None:
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "file").write_text("x")
    result, _ = back_up(rig, source / "a" / "b", source, source / "a", source, source / "a" / "b" / "file")
    assert paths_in(rig, result.snapshot_id, source) == {"a", "a/b", "a/b/file"}
    assert (result.files, result.directories) == (1, 3)
    assert not rig.entries(result.snapshot_id)[os.fsencode(source / "a")].partial


def test_canonical_paths() -> None:
    assert canonical(b"/") == b"/"
    assert canonical(b"//usr//./bin/.") == os.path.realpath(b"/usr/bin")
    assert canonical(b"/usr/../usr/share") == b"/usr/share"
    for relative in (b"usr", b"", b"./x", b"/a\0b"):
        with pytest.raises(PathNotAbsolute):
            canonical(relative)


def test_no_paths_and_relative_paths_are_refused(rig: VaultRig) -> None:
    with pytest.raises(NothingToBackUp):
        back_up(rig)
    with pytest.raises(PathNotAbsolute, match="some/where"):
        back_up(rig, b"some/where")


def test_a_path_that_is_not_there(rig: VaultRig, source: Path) -> None:
    with pytest.raises(PathNotFound, match="nothing here"):
        back_up(rig, source / "nothing here")
    (source / "file").write_text("x")
    result, ports = back_up(rig, source / "file", source / "nothing", source / "no" / "thing")
    assert {(missing.path, missing.reason) for missing in result.missing} == {
        (str(source / "nothing"), "not_found"),
        (str(source / "no" / "thing"), "not_found"),
    }
    assert result.files == 1
    assert len(ports.logged()) == 2


def test_a_path_below_a_source_that_is_not_there(rig: VaultRig, source: Path) -> None:
    result, _ = back_up(rig, source, source / "gone")
    assert [(missing.path, missing.reason) for missing in result.missing] == [(str(source / "gone"), "not_found")]


def test_a_file_where_a_folder_was_named(rig: VaultRig, source: Path) -> None:
    (source / "file").write_text("x")
    with pytest.raises(PathNotFound):
        back_up(rig, source / "file" / "below")


def test_the_kernels_own_files_are_never_backed_up(rig: VaultRig, source: Path) -> None:
    for path in (b"/proc", b"/proc/self/status", b"/sys/kernel"):
        if os.path.exists(path):
            with pytest.raises(PathExcluded) as refused:
                back_up(rig, path)
            assert refused.value.what_to_do == "Name another path."  # no pattern was given that could be taken away
            result, _ = back_up(rig, path, source, cross_mounts=True)
            assert [missing.reason for missing in result.missing] == ["virtual_file_system"]
            assert not any(entry_path.startswith(path) for entry_path in rig.entries(result.snapshot_id))


def test_excludes(rig: VaultRig, source: Path) -> None:
    for name in ("keep.txt", "a.tmp", "cache/x", "deep/cache/y", "deep/keep", "logs/a.log", "logs/b.log", "odd\n.tmp"):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    excludes = ("*.tmp", "cache/", f"{source}/logs/*", "!b.log", "# a comment", "")
    result, _ = back_up(rig, source, excludes=excludes)
    assert paths_in(rig, result.snapshot_id, source) == {"keep.txt", "deep", "deep/keep", "logs", "logs/b.log"}
    assert rig.body(result.snapshot_id).excludes == excludes
    assert result.missing_count == 0


def test_a_source_that_is_excluded(rig: VaultRig, source: Path) -> None:
    (source / "file.tmp").write_text("x")
    with pytest.raises(PathExcluded) as refused:
        back_up(rig, source / "file.tmp", excludes=("*.tmp",))
    assert "take the exclude pattern away" in refused.value.what_to_do


def test_a_pattern_that_makes_no_sense(rig: VaultRig, source: Path) -> None:
    with pytest.raises(PatternInvalid):
        back_up(rig, source, excludes=("!",))


def test_folders_never_written_are_left_out_and_told(rig: VaultRig, source: Path) -> None:
    (source / "data").mkdir()
    (source / "data" / "secret").write_text("x")
    (source / "file").write_text("x")
    (source.parent / "link").symlink_to(source / "data")
    result, ports = back_up(rig, source, never_write_under=(os.fsencode(source.parent / "link"),))
    assert paths_in(rig, result.snapshot_id, source) == {"file"}
    assert result.missing_count == 0
    assert ports.logged() == [f"{source / 'data'} is left out: it is Phoenix's own data."]


def test_a_source_inside_our_own_data_is_refused(rig: VaultRig, source: Path) -> None:
    (source / "data").mkdir()
    (source / "data" / "file").write_text("x")
    for path in (source / "data", source / "data" / "file"):
        with pytest.raises(PathExcluded, match="its own data"):
            back_up(rig, path, never_write_under=(os.fsencode(source / "data"),))
    with pytest.raises(PathExcluded, match="its own data"):
        back_up(rig, rig.state_dir)


def test_a_dry_run_tells_what_is_missing(rig: VaultRig, source: Path) -> None:
    result, _ = back_up(rig, source, source / "gone", dry_run=True)
    assert [(missing.path, missing.reason) for missing in result.missing] == [(str(source / "gone"), "not_found")]
    assert result.missing_count == 1


def test_a_dry_run_only_counts(rig: VaultRig, source: Path) -> None:
    (source / "file").write_bytes(bytes(range(256)) * 100)
    (source / "link").symlink_to("file")
    result, ports = back_up(rig, source, dry_run=True)
    assert (result.dry_run, result.snapshot_id, result.files, result.bytes) == (True, "", 1, 25600)
    assert (result.other_entries, result.changed_files, ports.estimate().changed_bytes) == (1, 1, 25600)
    assert rig.node.snapshots() == []
    assert ("WF1.4", "running") not in ports.steps()


def test_steps_and_estimate_come_in_order(rig: VaultRig, source: Path) -> None:
    (source / "file").write_text("x")
    _, ports = back_up(rig, source)
    done = [step for step, state in ports.steps() if state == "done"]
    assert done == ["WF5.1", "WF5.3", "WF5.4", "WF5.5", "WF5.6", "WF1.4"]
    assert ports.estimate().files == 1
    assert {progress.phase for progress in ports.told} == {"scan", "transfer", "commit"}
