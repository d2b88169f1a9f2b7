"""What an agent that isn't root can't read is missing: told by name, exit code 3, tried again the next time."""

from pathlib import Path

from tests.e2e.rig import Machine


def test_unreadable_files_are_missing_and_tried_again(here: Machine) -> None:
    other = Machine(here.folder, "two", core=here, powerless=True)
    try:
        _back_up_unreadable(here, other)
    finally:
        other.clean_up()


def _back_up_unreadable(here: Machine, other: Machine) -> None:
    other.enroll("two")
    other.start_agent()
    source = here.folder / "source"
    (source / "closed").mkdir(parents=True)
    (source / "readable").write_bytes(b"fine" * 5000)
    (source / "secret").write_bytes(b"not for everybody")
    (source / "closed" / "inside").write_bytes(b"in a closed folder")
    (source / "secret").chmod(0)
    (source / "closed").chmod(0)

    first = here.json("backup", "two", str(source), code=3)
    assert first["state"] == "successful_with_errors"
    assert first["error"] is None
    assert _missing(first) == {source / "secret", source / "closed"}
    assert {each["reason"] for each in first["missing"]} == {"EACCES"}
    assert first["missing_count"] == 2
    lines = here.command("job", "show", first["id"]).expect().out
    assert str(source / "secret") in lines
    names = {entry["name"] for entry in here.json("snapshot", "browse", first["snapshot_id"], str(source))}
    assert "readable" in names

    (source / "secret").chmod(0o644)
    (source / "closed").chmod(0o755)
    second = here.json("backup", "two", str(source))
    assert second["state"] == "successful"
    assert second["result"]["files"] == 3
    assert second["result"]["read_bytes"] == len(b"not for everybody") + len(b"in a closed folder")


def _missing(job: dict[str, list[dict[str, str]]]) -> set[Path]:
    return {Path(each["path"]) for each in job["missing"]}
