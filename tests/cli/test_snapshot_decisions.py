"""The commands that decide about a snapshot: tags, notes, holds, and its removal, which wants the id typed."""

import pytest

from tests.cli.beside import Beside


@pytest.fixture
def snapshot(beside: Beside) -> str:
    return beside.backed_up("web1", "/srv")


def listed(beside: Beside, *words: str) -> list[str]:
    return [each["id"] for each in beside.json("snapshot", "list", *words)]


@pytest.mark.parametrize("more", [(), ("--at-once",)])
def test_a_snapshot_goes_only_by_the_start_of_its_id(beside: Beside, snapshot: str, more: tuple[str, ...]) -> None:
    assert beside.run("snapshot", "remove", snapshot, "--yes", *more).code == 2
    for wrong in ((), ("--confirm", snapshot[:11]), ("--confirm", "yes")):
        error = beside.error("snapshot", "remove", snapshot, *more, *wrong, code=2)
        assert error["code"] == "name_not_typed"
        assert f"--confirm {snapshot[:12]}" in error["hint"]
    done = beside.on_terminal("snapshot", "remove", snapshot, *more, answers={"to confirm: ": "y"})
    assert (done.code, "Nothing was done" in done.out) == (2, True)
    assert snapshot in listed(beside)
    done = beside.on_terminal("snapshot", "remove", snapshot, *more, answers={"to confirm: ": snapshot[:12]})
    assert done.code == 0, done
    assert snapshot not in listed(beside)
    assert (snapshot in listed(beside, "--removed")) is (not more)


def test_a_removal_is_undone(beside: Beside, snapshot: str) -> None:
    done = beside.run("snapshot", "remove", snapshot, "--confirm", snapshot[:12], code=0)
    assert f"`phoenix snapshot undelete {snapshot[:12]}` brings it back" in done.out
    assert snapshot[:12] in beside.run("snapshot", "list", "--removed", code=0).out
    told = beside.run("snapshot", "undelete", snapshot, code=0).out
    assert told == f"Snapshot {snapshot[:12]}: it is a restore point of web1 again.\n"
    assert beside.error("snapshot", "undelete", "abcdef")["code"] == "not_found"
    assert snapshot in listed(beside)
    beside.json("snapshot", "remove", snapshot, "--confirm", snapshot[:12])
    assert beside.json("snapshot", "undelete", snapshot)["id"] == snapshot


def test_tags_are_given_found_by_and_taken(beside: Beside, snapshot: str) -> None:
    told = beside.run("snapshot", "tag", snapshot, "month-end", "q4", code=0).out
    assert told == f"Snapshot {snapshot[:12]}: tags: month-end q4.\n"
    assert listed(beside, "--tag", "month-end", "--tag", "q4") == [snapshot]
    assert "No snapshot fits." in beside.run("snapshot", "list", "--tag", "month-end", "--tag", "other", code=0).out
    assert beside.json("snapshot", "untag", snapshot, "q4")["tags"] == ["month-end"]
    assert beside.run("snapshot", "untag", snapshot, "month-end", code=0).out.endswith("tags: none.\n")
    assert beside.error("snapshot", "tag", snapshot, "two words", code=2)["code"] == "usage"


def test_a_backup_is_tagged_as_it_is_made(beside: Beside) -> None:
    tagged = beside.backed_up("web1", "/srv", "--tag", "before-upgrade")
    assert listed(beside, "--tag", "before-upgrade") == [tagged]
    shown = beside.run("snapshot", "list", "--tag", "before-upgrade", code=0).out
    assert (tagged[:12] in shown, "before-upgrade" in shown) == (True, True)
    assert beside.error("backup", "web1", "/srv", "--tag", "two words", code=2)["code"] == "usage"


def test_a_note_is_written_and_taken_away(beside: Beside, snapshot: str) -> None:
    assert beside.run("snapshot", "note", snapshot, "Before the move.", code=0).out.endswith("the note is kept.\n")
    assert "Before the move." in beside.run("snapshot", "show", snapshot, code=0).out
    assert beside.json("snapshot", "note", snapshot, "")["note"] == ""
    assert beside.run("snapshot", "note", snapshot, "", code=0).out.endswith("it has no note.\n")
    assert beside.error("snapshot", "note", "abcdef", "text")["code"] == "not_found"


def test_what_is_held_is_removed_only_once_it_was_released(beside: Beside, snapshot: str) -> None:
    told = beside.run("snapshot", "hold", snapshot, "--reason", "audit 2026", "--until", "2099-12-31", code=0).out
    assert "held until 2100-01-01 00:00:00" in told
    assert ": audit 2026." in told
    assert snapshot in listed(beside, "--held")
    error = beside.error("snapshot", "remove", snapshot, "--confirm", snapshot[:12])
    assert (error["code"], f"snapshot release {snapshot[:12]}" in error["hint"]) == ("snapshot_held", True)
    assert beside.run("snapshot", "release", snapshot, code=0).out.endswith("it is held no longer.\n")
    assert snapshot not in listed(beside, "--held")
    assert beside.json("snapshot", "hold", snapshot, "--reason", "a while", "--days", "2")["hold"]["until"]
    assert beside.json("snapshot", "release", snapshot)["hold"] is None


@pytest.mark.parametrize(
    "end", [("--until", "soon"), ("--until", "2099-12-31", "--days", "2"), ("--until", "2001-01-01")]
)
def test_an_end_of_a_hold_that_is_none_is_refused(beside: Beside, snapshot: str, end: tuple[str, ...]) -> None:
    assert beside.error("snapshot", "hold", snapshot, "--reason", "audit", *end, code=2)["code"] == "usage"
    assert snapshot not in listed(beside, "--held")
