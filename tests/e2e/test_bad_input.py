"""What bad input gets: an exit code, what happened, what to do, and nothing lost."""

from collections.abc import Iterator

import pytest

from tests.e2e import tree
from tests.e2e.rig import PASSPHRASE, Machine, machine


@pytest.fixture(scope="module")
def shared() -> Iterator[Machine]:
    """One installation for all that changes nothing: server `one` with a snapshot of `source`."""
    with machine() as made:
        made.init()
        made.start_core()
        made.enroll("one")
        made.start_agent()
        made.json("backup", "one", str(tree.make(made.folder / "source", files=20, size=5000)))
        yield made


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("backup", "nobody", "/etc"), "not_found", 1),
        (("server", "show", "nobody"), "not_found", 1),
        (("server", "remove", "nobody", "--confirm", "nobody"), "not_found", 1),
        (("restore", "nobody"), "not_found", 1),
        (("restore", "one", "--to-server", "nobody"), "not_found", 1),
        (("restore", "one", "--snapshot", "abcdef"), "not_found", 1),
        (("snapshot", "browse", "abcdef"), "not_found", 1),
        (("snapshot", "browse", "latest", "/not/there"), "path_not_in_snapshot", 1),
        (("snapshot", "diff", "latest", "abcdef"), "not_found", 1),
        (("snapshot", "remove", "abcdef", "--confirm", "abcdef"), "not_found", 1),
        (("snapshot", "remove", "latest"), "name_not_typed", 2),
        (("job", "show", "jnothing"), "not_found", 1),
        (("job", "cancel", "jnothing"), "not_found", 1),
        (("job", "retry", "jnothing"), "not_found", 1),
        (("job", "log", "jnothing"), "not_found", 1),
        (("setting", "get", "no.such"), "not_found", 1),
        (("setting", "set", "warm_days", "many"), "bad_setting", 2),
        (("restore", "one", "--conflict", "sometimes"), "usage", 2),
        (("vault", "verify", "--depth", "bottom"), "usage", 2),
        (("vault", "verify", "--snapshot", "abcdef"), "not_found", 1),
        (("vault", "prune", "--execute"), "not_confirmed", 2),
        (("backup", "one", "relative/path"), "usage", 2),
        (("vault", "init"), "vault_exists", 1),
    ],
)
def test_a_request_that_makes_no_sense(shared: Machine, arguments: tuple[str, ...], code: str, exit_code: int) -> None:
    answer = shared.command(*arguments, "--json")
    assert (answer.error["code"], answer.code) == (code, exit_code), answer


def test_people_are_told_the_same_on_standard_error(shared: Machine) -> None:
    error = shared.command("backup", "nobody", "/etc", "--json").error
    plain = shared.command("backup", "nobody", "/etc")
    assert plain.code == 1
    assert plain.out == ""
    assert plain.err.replace(f" --data {shared.data}`", "`") == f"phoenix: {error['message']}\n  {error['hint']}\n"


def test_a_path_that_is_not_there(shared: Machine) -> None:
    nothing = str(shared.folder / "nothing")
    answer = shared.command("backup", "one", nothing, "--json").expect(1)
    assert answer.json["error"]["code"] == "path_not_found"
    assert nothing in answer.json["error"]["message"]
    assert answer.json["error"]["hint"]


def test_a_path_that_the_snapshot_does_not_hold(shared: Machine) -> None:
    answer = shared.command("restore", "one", "--path", "/not/there", "--to", str(shared.folder / "x"), "--json")
    assert answer.expect(1).json["error"]["code"] == "path_not_in_snapshot"
    assert not (shared.folder / "x").exists()


def test_a_data_directory_in_use(shared: Machine) -> None:
    second = shared.command("core", "run", "--quiet").expect(1)
    assert str(shared.data) in second.err
    assert "Traceback" not in second.err
    agent = shared.command("agent", "run").expect(1)
    assert str(shared.data) in agent.err
    assert "Traceback" not in agent.err


def test_a_destination_without_permission(shared: Machine) -> None:
    other = Machine(shared.folder, "careful", core=shared, powerless=True)
    try:
        other.enroll("careful")
        other.start_agent()
        closed = shared.folder / "closed"
        closed.mkdir(mode=0o555)
        answer = shared.command("restore", "one", "--to-server", "careful", "--to", str(closed), "--json").expect(1)
        assert answer.json["error"]["code"] == "destination_not_writable"
        assert str(closed) in answer.json["error"]["message"]
        assert not list(closed.iterdir())
        file = shared.folder / "a file"
        file.write_bytes(b"")
        answer = shared.command("restore", "one", "--to", str(file), "--json").expect(1)
        assert answer.json["error"]["code"] == "destination_not_a_folder"
    finally:
        other.clean_up()


def test_a_wrong_passphrase(bare: Machine) -> None:
    bare.init()
    (bare.data / "vault.key").unlink()
    assert not bare.command("vault", "key", "status", "--json").expect(1).json["available"]
    wrong = bare.passphrase("a passphrase of somebody else")
    move = ("vault", "key", "move", "file", "--recover", "--passphrase-file")
    assert bare.command(*move, str(wrong), "--json").expect(1).error["code"] == "wrong_passphrase"
    assert not (bare.data / "vault.key").exists()
    assert bare.command(*move, str(bare.folder / "no file"), "--json").expect(2).error["code"] == "passphrase_unusable"
    bare.json(*move, str(bare.passphrase(PASSPHRASE)))
    assert bare.json("vault", "key", "status")["available"]
    assert bare.json("vault", "status")["key_available"]
