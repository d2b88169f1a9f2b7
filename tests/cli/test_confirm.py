"""What deletes asks first."""

import pytest

from tests.cli.commands import Commands


def test_without_a_terminal_no_server_is_removed_without_its_name(running: Commands) -> None:
    assert running.run("server", "remove", "web1", "--yes").code == 2
    error = running.error("server", "remove", "web1", code=2)
    assert error["code"] == "name_not_typed"
    assert "--confirm" in error["hint"]
    assert running.error("server", "remove", "web1", "--confirm", "web", code=2)["code"] == "name_not_typed"
    assert not running.json("server", "show", "web1")["revoked"]
    running.run("server", "remove", "web1", "--confirm", "web1", code=0)
    assert running.json("server", "show", "web1")["revoked"]
    running.run("server", "undelete", "web1", code=0)


def test_a_prune_asks_only_when_it_would_delete(running: Commands) -> None:
    running.run("vault", "prune", code=0)
    assert running.run("vault", "prune", "--execute").code == 2
    running.run("vault", "prune", "--execute", "--yes", code=0)


def test_no_is_the_answer_that_return_gives(running: Commands) -> None:
    done = running.on_terminal("vault", "prune", "--execute", answers={"[y/N] ": ""})
    assert done.code == 2
    assert "Nothing was done" in done.out


@pytest.mark.parametrize("typed", ["", "y", "web"])
def test_a_server_goes_only_by_its_name(running: Commands, typed: str) -> None:
    done = running.on_terminal("server", "remove", "web1", answers={"to confirm: ": typed})
    assert done.code == 2
    assert "Nothing was done" in done.out
    assert not running.json("server", "show", "web1")["revoked"]


def test_its_name_at_the_terminal_does_it(running: Commands) -> None:
    token = running.json("server", "token", "--name", "gone")["token"]
    state = running.root / "gone"
    running.environment["PHOENIX_DATA"], kept = str(state), running.environment["PHOENIX_DATA"]
    running.run("agent", "enroll", "-", stdin=token + "\n", code=0)
    running.environment["PHOENIX_DATA"] = kept
    done = running.on_terminal("server", "remove", "gone", answers={"to confirm: ": "gone"})
    assert done.code == 0
    assert "gone" in done.out
    assert running.json("server", "show", "gone")["revoked"]
    assert [each["name"] for each in running.json("server", "list") if each["revoked"]] == ["gone"]
    assert "server undelete gone` undoes it until about" in running.run("server", "show", "gone", code=0).out
    running.run("server", "undelete", "gone", code=0)
    assert not running.json("server", "show", "gone")["revoked"]
