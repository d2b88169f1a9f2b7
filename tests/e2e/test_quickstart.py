"""`phoenix quickstart`: exit code, its one object, run twice, and PATH left as it was."""

import os
from pathlib import Path
from typing import Any

from tests.agent.independent_walk import walk
from tests.e2e import tree
from tests.e2e.rig import Machine

TERABYTE = 2**40
KEYS = {"files", "bytes", "stored_bytes", "deduplication_ratio", "compression_ratio", "phases", "comparison"}
KEYS |= {"data_dir", "snapshots", "missing", "source"}


def test_quickstart_runs_twice_and_leaves_its_folder_alone(bare: Machine) -> None:
    source = tree.make(bare.folder / "source", files=30, size=2000)
    (source / "a link").symlink_to("folder-000")
    before = _with_times_of_change(source)

    first = bare.json("quickstart", str(source))
    assert first.keys() >= KEYS
    assert first["files"] == 30
    assert first["bytes"] == 60_000
    assert first["recovery_passphrase"]
    _compared(first, entries=32)
    second = bare.json("quickstart", str(source))
    _compared(second, entries=32)
    assert second["new_stored_bytes"] < 4096, "folders on the way to it may have changed"
    assert not second["recovery_passphrase"]
    assert _with_times_of_change(source) == before

    assert [each["id"] for each in bare.json("snapshot", "list")] == [
        *reversed(second["snapshots"]),
        *reversed(first["snapshots"]),
    ]
    assert not list((bare.data / "spool").glob("quickstart-*"))
    (server,) = bare.json("server", "list")
    tree.restores_as(bare, server["name"], first["snapshots"][0], source, walk(source))


def test_a_data_directory_inside_the_folder_is_left_out(bare: Machine) -> None:
    source = tree.make(bare.folder / "source", files=10, size=2000)
    before = walk(source)
    data = source / "phoenix data"
    shown = bare.command("quickstart", str(source), data=data).expect().out
    assert "no difference" in shown
    assert str(data) in shown
    after = {path: facts for path, facts in walk(source).items() if path.split(b"/")[0] != b"phoenix data"}
    assert before.keys() == after.keys()
    report = bare.command("quickstart", str(source), "--json", data=data).expect().json
    assert report["files"] == 10
    listed = bare.command("snapshot", "browse", report["snapshots"][0], str(source), "--json", data=data).expect().json
    assert [entry["name"] for entry in listed] == ["folder-000"]


def test_holes_need_no_space(bare: Machine) -> None:
    """A file of a terabyte that holds a page, on a disk that has no terabyte free."""
    source = tree.make(bare.folder / "source", files=3, size=2000)
    with (source / "sparse").open("wb") as file:
        file.write(bytes(range(256)) * 16)
        file.truncate(TERABYTE)
    report = bare.json("quickstart", str(source))
    assert report["comparison"]["differences"] == []
    assert report["bytes"] == TERABYTE + 6000
    assert report["stored_bytes"] < 100_000


def test_a_folder_that_is_not_there_is_refused(bare: Machine) -> None:
    answer = bare.command("quickstart", str(bare.folder / "nothing"), "--json").expect(2)
    assert answer.error["code"] == "usage"
    assert "nothing" in answer.error["message"]


def _compared(report: dict[str, Any], *, entries: int) -> None:
    assert report["comparison"]["differences"] == []
    assert report["comparison"]["entries"] == entries
    assert report["missing_count"] == 0
    assert len(report["snapshots"]) == 2
    for phase in ("first_backup", "second_backup", "restore", "compare"):
        assert report["phases"][phase]["seconds"] > 0
        assert report["phases"][phase]["bytes"] == 60_000


def _with_times_of_change(root: Path) -> dict[bytes, tuple[object, int]]:
    """The tree with each entry's ctime, which nobody can set: any write, even one taken back, shows."""
    found = walk(root)
    top = os.fsencode(root)
    return {path: (facts, os.lstat(os.path.join(top, path)).st_ctime_ns) for path, facts in found.items()}
