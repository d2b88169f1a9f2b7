"""The commands on policies, rules, groups and their file."""

from pathlib import Path

import pytest

from tests.cli.commands import Commands


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    made = Commands(tmp_path)
    made.make_vault()
    return made


def set_up(commands: Commands) -> None:
    commands.run("rule", "set", "web", "--path", "/etc", "--path", "/srv", "--exclude", "*.tmp", code=0)
    words = ("--schedule", "daily at 02:00", "--time-zone", "Europe/Berlin", "--keep-daily", "14", "--retries", "2")
    commands.run("policy", "set", "nightly", *words, code=0)
    commands.run("group", "set", "web", "--policy", "nightly", "--rule", "web", code=0)


def test_what_is_set_is_shown(commands: Commands) -> None:
    set_up(commands)
    shown = commands.run("policy", "show", "nightly", code=0).out
    assert "daily at 02:00 (Europe/Berlin)" in shown
    assert "14 daily" in shown
    assert "2 times, 10 min 00 s later" in shown
    assert "/etc, /srv" in commands.run("rule", "list", code=0).out
    assert "nightly" in commands.run("group", "show", "web", code=0).out
    runs = commands.run("policy", "runs", "nightly", "--count", "3", code=0).out.splitlines()
    assert len(runs) == 3
    assert all("02:00 CE" in run or "03:00 CEST" in run for run in runs)


def test_only_what_is_named_changes(commands: Commands) -> None:
    set_up(commands)
    changed = commands.json("policy", "set", "nightly", "--keep-weekly", "8", "--rename", "each night")
    assert changed["name"] == "each night"
    assert changed["schedule"] == ["daily at 02:00"]
    assert changed["retention"] == {"last": 0, "daily": 14, "weekly": 8, "monthly": 0, "yearly": 0}
    assert commands.json("group", "show", "web")["policy"] == "each night"
    assert commands.json("policy", "set", "each night", "--schedule", "none")["schedule"] == []
    assert changed["source_snapshot"] == "off"
    assert (
        commands.json("policy", "set", "each night", "--source-snapshot", "required")["source_snapshot"] == "required"
    )
    assert "no backup without them" in commands.run("policy", "show", "each night", code=0).out
    rule = commands.json("rule", "set", "web", "--cross-mounts", "--exclude", "")
    assert (rule["paths"], rule["excludes"], rule["cross_mounts"]) == (["/etc", "/srv"], [], True)


def test_what_can_t_be_is_refused_with_the_field(commands: Commands) -> None:
    error = commands.error("policy", "set", "nightly", "--schedule", "0 0 31 2 *", code=2)
    assert (error["code"], error["fields"]["field"]) == ("field_invalid", "schedule")
    assert "--missed" in commands.run("policy", "set", "nightly", "--missed", "perhaps", code=2).err
    told = commands.run("policy", "set", "nightly", "--source-snapshot", "always", code=2).err
    assert "off, if_available, required" in told
    assert "web9" in commands.run("group", "set", "web", "--add", "web9", code=2).err
    assert "web9 in group web" in commands.run("group", "set", "web", "--take-out", "web9", code=1).err
    assert commands.json("policy", "list") == []


def test_removal_asks_and_refuses_what_is_used(commands: Commands) -> None:
    set_up(commands)
    assert "--yes" in commands.run("policy", "remove", "nightly").err
    assert commands.error("policy", "remove", "nightly", "--yes")["code"] == "still_used"
    for words in (("group", "remove", "web"), ("policy", "remove", "nightly"), ("rule", "remove", "web")):
        commands.run(*words, "--yes", code=0)
    for noun in ("policy", "rule", "group"):
        assert commands.run(noun, "list", code=0).out.startswith("There is no ")


def test_the_file_that_is_exported_can_be_applied(commands: Commands) -> None:
    set_up(commands)
    file = commands.root / "config.toml"
    assert "1 policy, 1 rule, 1 group" in commands.run("config", "export", file, code=0).out
    text = file.read_text()
    assert commands.run("config", "export", code=0).out == text
    assert commands.run("config", "diff", file, code=0).out == "No difference.\n"
    file.write_text(text.replace("daily = 14", "daily = 7"))
    assert "  + retention:" in commands.run("config", "diff", file, code=1).out
    assert "--yes" in commands.run("config", "apply", file).err
    assert commands.json("policy", "show", "nightly")["retention"]["daily"] == 14
    commands.run("config", "apply", file, "--yes", code=0)
    assert commands.json("policy", "show", "nightly")["retention"]["daily"] == 7
    assert commands.json("config", "apply", file, "--yes") == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("policies = 3", "policies is no table"),
        ("[policy.x]", "policy is none of"),
        ("[policies.x]\nscedule = []", "scedule"),
        ("[policies.x]\nretries = 'many'", "retries"),
        ("[policies.x]\nname = 'y'", "without a name"),
        ("[policies.x", "can't be used"),
    ],
)
def test_a_file_that_can_t_be_is_refused(commands: Commands, text: str, says: str) -> None:
    file = commands.root / "config.toml"
    file.write_text(text)
    error = commands.error("config", "apply", file, "--yes", code=2)
    assert error["code"] == "config_file_invalid"
    assert says in error["message"]


def test_a_file_that_is_not_there_is_refused(commands: Commands) -> None:
    assert "No such file" in commands.run("config", "diff", commands.root / "none.toml", code=2).err
    unwritable = commands.root / "folder"
    unwritable.mkdir()
    assert "Is a directory" in commands.run("config", "export", unwritable, code=1).err
