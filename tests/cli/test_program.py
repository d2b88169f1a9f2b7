"""Commands that are printed as advice can be typed as they stand."""

import shlex
from pathlib import Path

import pytest

from phoenix_core.cli.program import as_typed, command_line
from phoenix_core.host.datadir import DataDirectory


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program as make runs it: by a path below the current folder."""
    file = tmp_path / "bin" / "phoenix"
    file.parent.mkdir()
    file.touch(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["bin/phoenix"])
    monkeypatch.setenv("PHOENIX_DATA", "/data")
    monkeypatch.setenv("PATH", "/nonexistent")
    return file


def test_a_program_that_is_not_on_the_path_is_named_by_its_place(program: Path) -> None:
    assert command_line(DataDirectory(Path("/data")), "job", "list") == "bin/phoenix job list"


def test_one_that_is_on_the_path_is_named_by_its_name(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    assert command_line(DataDirectory(Path("/data"))) == "phoenix"


def test_one_that_lies_elsewhere_is_named_in_full(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [str(program)])
    (program.parent.parent / "other").mkdir()
    monkeypatch.chdir(program.parent.parent / "other")
    assert command_line(DataDirectory(Path("/data"))) == str(program)


def test_another_data_directory_is_named_and_quoted(program: Path) -> None:
    line = command_line(DataDirectory(Path("/my data")), "restore", "web1", "--path", "/a b'c")
    assert shlex.split(line) == ["bin/phoenix", "restore", "web1", "--path", "/a b'c", "--data", "/my data"]


def test_a_directory_named_before_the_command_is_named_again(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option there becomes the environment of this process, which the operator's shell knows nothing of."""
    monkeypatch.setattr("sys.argv", ["bin/phoenix", "--data", "/data"])
    assert command_line(DataDirectory(Path("/data")), "core", "stop") == "bin/phoenix core stop --data /data"


def test_commands_in_advice_name_the_directory_that_this_one_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    advice = "Run `phoenix vault verify`, then `phoenix job list`; over there: `phoenix agent run`. See `df -i`."
    monkeypatch.setattr("sys.argv", ["phoenix", "job", "list"])
    assert as_typed(advice) == advice
    monkeypatch.setattr("sys.argv", ["phoenix", "job", "list", "--data", "/my data"])
    assert as_typed(advice) == (
        "Run `phoenix vault verify --data '/my data'`, then `phoenix job list --data '/my data'`; "
        "over there: `phoenix agent run`. See `df -i`."
    )
    monkeypatch.setattr("sys.argv", ["phoenix", "agent", "run", "--data=/d"])
    advice = "At the core `phoenix server token`, here `phoenix agent enroll TOKEN`."
    assert as_typed(advice) == "At the core `phoenix server token`, here `phoenix agent enroll TOKEN --data /d`."
