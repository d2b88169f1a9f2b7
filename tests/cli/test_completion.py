"""Shell completion of commands, options and names."""

from pathlib import Path

import pytest

from tests.cli.commands import Commands


def complete(commands: Commands, line: str) -> list[str]:
    """What bash gets for `phoenix <line>`, completing the last word."""
    words = line.split(" ")
    commands.environment |= {
        "_PHOENIX_COMPLETE": "complete_bash",
        "COMP_WORDS": f"phoenix {line}",
        "COMP_CWORD": str(len(words)),
    }
    try:
        done = commands.process()
    finally:
        for name in ("_PHOENIX_COMPLETE", "COMP_WORDS", "COMP_CWORD"):
            del commands.environment[name]
    assert done.err == ""
    return done.out.split()


def test_commands_and_options_are_completed(commands: Commands) -> None:
    assert complete(commands, "vau") == ["vault"]
    assert complete(commands, "vault rebuild") == ["rebuild-index"]
    assert complete(commands, "backup web1 --exclude-") == ["--exclude-file"]


@pytest.mark.parametrize("line", ["server show w", "backup w", "restore w", "restore web1 --to-server w"])
def test_servers_are_completed(running: Commands, line: str) -> None:
    assert complete(running, line) == ["web1"]


def test_jobs_are_completed(running: Commands) -> None:
    job = running.json("vault", "verify")["id"]
    assert job in complete(running, "job show j")
    assert complete(running, f"job log {job[:-2]}") == [job]


def test_settings_are_completed(running: Commands) -> None:
    assert complete(running, "setting get prove") == ["prove.enabled"]


def test_what_has_a_few_values_is_completed(commands: Commands) -> None:
    assert complete(commands, "restore web1 --conflict if") == ["if_older"]
    assert complete(commands, "vault verify --depth ") == ["structure", "packs", "chunks"]


def test_names_come_from_the_directory_that_the_line_names(running: Commands, short_path: Path) -> None:
    elsewhere = Commands(short_path)
    assert complete(elsewhere, "server show w") == []
    assert complete(elsewhere, f"server show --data {running.data.root} w") == ["web1"]


def test_without_a_core_there_is_nothing_and_nothing_is_made(commands: Commands) -> None:
    assert complete(commands, "server show ") == []
    assert not commands.data.root.exists()
