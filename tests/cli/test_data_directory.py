"""Which data directory a command works on, and whose core."""

import os
from pathlib import Path

import pytest

from phoenix_core.host.datadir import CoreLock, DataDirectory
from tests.cli.commands import WAIT_S, Commands


def test_the_option_may_stand_before_or_after_the_command(vault: Commands) -> None:
    """A directory named before the command must not be forgotten for the default one."""
    vault.environment["PHOENIX_DATA"] = str(vault.root / "other")
    before = vault.run("--data", vault.data.root, "vault", "key", "status", code=0)
    after = vault.run("vault", "key", "status", "--data", vault.data.root, code=0)
    assert before == after
    assert vault.run("vault", "key", "status").code == 2


def test_the_option_after_the_command_wins(vault: Commands) -> None:
    vault.run("--data", vault.root / "other", "vault", "key", "status", "--data", vault.data.root, code=0)


def test_a_directory_with_a_long_path_works(short_path: Path) -> None:
    """Unix socket addresses end at 107 bytes."""
    commands = Commands(short_path)
    commands.data = DataDirectory(short_path / ("long" * 30))
    commands.environment["PHOENIX_DATA"] = str(commands.data.root)
    commands.make_vault()
    core = commands.start_core()
    try:
        assert commands.json("vault", "status")["snapshots"] == 0
    finally:
        core.terminate()
        core.communicate()


def test_the_directory_is_made_for_its_owner_alone(vault: Commands) -> None:
    assert vault.data.root.stat().st_mode & 0o777 == 0o700


def test_in_a_directory_that_others_may_read_there_is_nothing_for_them(commands: Commands) -> None:
    """One that was there keeps its mode: it may be the operator's own choice. The doctor says what follows of it."""
    commands.data.root.mkdir()
    commands.data.root.chmod(0o755)
    umask = os.umask(0o022)
    try:
        commands.make_vault()
        core = commands.start_core()
    finally:
        os.umask(umask)
    try:
        findings = {each["subject"]: each for each in commands.json("doctor")}
        open_to_others = {
            str(path.relative_to(commands.data.root))
            for path in commands.data.root.rglob("*")
            if path.stat().st_mode & 0o077 and path.parent in (commands.data.root, commands.data.pki)
        }
    finally:
        core.terminate()
        core.communicate(timeout=WAIT_S)
    assert findings["data directory"]["state"] == "warning"
    assert "chmod 700" in findings["data directory"]["hint"]
    assert open_to_others <= {"phoenix.toml", "pki/ca.pem", "pki/core.pem"}


def test_a_directory_that_may_not_be_made_is_named(commands: Commands) -> None:
    """Nobody, root included, makes folders in /proc."""
    commands.environment["PHOENIX_DATA"] = "/proc/phoenix"
    error = commands.error("vault", "init")
    assert error["code"] == "data_directory_unusable"
    assert "/proc/phoenix" in error["message"]


@pytest.mark.parametrize(
    "words",
    [
        ("job", "list"),
        ("snapshot", "list"),
        ("vault", "status"),
        ("vault", "key", "status"),
        ("vault", "key", "move", "file", "--recover"),
        ("vault", "key", "change-passphrase"),
        ("setting", "set", "warm_days", "30"),
        ("doctor",),
        ("backup", "web1", "/etc"),
    ],
)
def test_a_mistyped_directory_is_refused_and_not_made(commands: Commands, words: tuple[str, ...]) -> None:
    error = commands.error(*words, "--data", commands.root / "mistyped", code=2)
    assert error["code"] == "data_directory_missing"
    assert str(commands.root / "mistyped") in error["message"]
    assert "--data" in error["hint"]
    assert not (commands.root / "mistyped").exists()


def test_a_relative_directory_that_is_not_there_is_named_in_full(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(commands.root)
    assert str(commands.root / "rel") in commands.error("job", "list", "--data", "rel", code=2)["message"]
    assert not (commands.root / "rel").exists()


def test_a_folder_of_something_else_gets_no_catalog(commands: Commands) -> None:
    other = commands.root / "other"
    other.mkdir()
    (other / "notes").touch()
    assert commands.error("job", "list", "--data", other, code=2)["code"] == "data_directory_missing"
    assert [entry.name for entry in other.iterdir()] == ["notes"]


@pytest.mark.parametrize("words", [("agent", "run"), ("storage", "run")])
def test_a_role_that_was_never_enrolled_says_how_and_makes_nothing(commands: Commands, words: tuple[str, ...]) -> None:
    done = commands.run(*words, code=2)
    assert f"phoenix {words[0]} enroll TOKEN" in done.err
    assert "phoenix server token" in done.err
    assert not commands.data.root.exists()


def test_a_server_with_an_agent_alone_has_no_core_to_ask(running: Commands) -> None:
    token = running.json("server", "token", "--name", "web7")["token"]
    server = running.root / "web7"
    done = running.run("agent", "enroll", "-", "--data", server, stdin=token + "\n", code=0)
    assert f"agent run --data {server}" in done.out
    assert "only agent/" in running.error("job", "list", "--data", server, code=2)["message"]
    running.run("server", "remove", "web7", "--confirm", "web7", code=0)


def test_a_file_in_its_place_is_named(commands: Commands) -> None:
    commands.data.root.write_text("not a folder")
    done = commands.run("job", "list", code=1)
    assert str(commands.data.root) in done.err
    assert "inside Phoenix" not in done.err


def test_a_second_core_is_refused_and_told_of_the_first(running: Commands) -> None:
    done = running.run("core", "run", "--quiet", code=1)
    assert "in use" in done.err


def test_what_holds_the_directory_without_answering_is_named(vault: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phoenix_core.cli.attach.STARTING_S", 0.2)
    lock = CoreLock(vault.data)
    lock.acquire()
    try:
        error = vault.error("job", "list")
    finally:
        lock.release()
    assert error["code"] == "data_directory_in_use"
    assert str(os.getpid()) in error["message"]


def test_a_command_starts_a_core_for_itself_and_leaves_none(vault: Commands) -> None:
    assert vault.json("server", "list") == []
    assert not vault.data.core_socket.exists()


@pytest.mark.parametrize(
    "words", [("server", "token"), ("core", "stop"), ("job", "watch", "j1"), ("backup", "web1", "/etc", "--detach")]
)
def test_what_needs_a_core_that_goes_on_says_so(vault: Commands, words: tuple[str, ...]) -> None:
    done = vault.run(*words, code=1)
    assert "No core runs on" in done.err
    assert "phoenix core run" in done.err


@pytest.mark.parametrize("words", [("vault", "init", "--holder", "file"), ("core", "run", "--quiet")])
def test_what_a_running_core_is_in_the_way_of_says_so(running: Commands, words: tuple[str, ...]) -> None:
    assert str(running.data.root) in running.run(*words, code=1).err


def test_a_mistake_in_the_configuration_names_file_and_line(vault: Commands) -> None:
    vault.data.config.write_text('[core]\nlisten = "127.0.0.1:0"\nlisen = 1\n')
    error = vault.error("job", "list", code=2)
    assert str(vault.data.config) in error["message"]
    assert "3" in error["message"]


def test_a_core_is_stopped_and_waited_for(vault: Commands) -> None:
    core = vault.start_core()
    vault.run("core", "stop", code=0)
    assert core.wait(20) == 0
    core.communicate()
    assert vault.json("server", "list") == []


def test_a_stopped_core_is_told_of_as_an_object(vault: Commands) -> None:
    core = vault.start_core()
    assert vault.json("core", "stop") == {"stopped": True, "pid": core.pid}
    core.communicate(timeout=WAIT_S)
    assert vault.error("core", "stop")["code"] == "core_not_running"


def test_a_core_without_a_vault_and_a_new_vault_say_what_comes_next(commands: Commands) -> None:
    commands.data.create()
    commands.data.config.write_text('[core]\nlisten = "127.0.0.1:0"\n')
    core = commands.start_core()
    try:
        assert core.stdout is not None
        assert "vault init, and start it again." in core.stdout.readline()
    finally:
        core.terminate()
        core.communicate(timeout=WAIT_S)
    made = commands.run("vault", "init", "--holder", "file", code=0).out
    assert made.splitlines()[-1].startswith("Next, start the core: ")
    assert made.splitlines()[-1].endswith("core run")


def test_a_core_whose_vault_is_locked_says_so_at_its_start(vault: Commands) -> None:
    vault.data.key_file.unlink()
    core = vault.start_core()
    try:
        assert core.stderr is not None
        assert "The vault's key is not" in core.stderr.readline()
        assert "doctor says what to do" in core.stderr.readline()
    finally:
        core.terminate()
        core.communicate(timeout=WAIT_S)


def test_a_setting_that_the_core_reads_when_it_starts_says_so(running: Commands) -> None:
    done = running.run("setting", "set", "storage.node", "", code=0)
    assert "when the core starts next" in done.out
    assert "next" not in running.run("setting", "set", "prove.enabled", "true", code=0).out
