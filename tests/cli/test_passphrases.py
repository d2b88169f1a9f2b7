"""Where passphrases come from, and what is no passphrase."""

import os
import shlex
from pathlib import Path

import pytest

from phoenix_core.cli.errors import PassphraseUnusable
from phoenix_core.cli.passphrases import read_passphrase
from tests.cli.commands import Commands
from tests.cli.test_help import LEAVES

NEW = "a new passphrase of mine"


def test_a_file_gives_its_first_line_without_the_end(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_bytes("  with blanks and é \r\nsecond line\n".encode())
    assert read_passphrase(file, None, prompt="P") == "  with blanks and é "


def test_a_command_gives_the_first_line_that_it_prints() -> None:
    assert read_passphrase(None, "printf 'one two\\nthree\\n'", prompt="P") == "one two"


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"\nsecond\n", "empty"), (b"\xff\xfe\n", "isn't UTF-8")]
)
def test_a_file_without_a_passphrase_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "p"
    file.write_bytes(content)
    with pytest.raises(PassphraseUnusable, match=reason):
        read_passphrase(file, None, prompt="P")


@pytest.mark.parametrize("command", ["false", "/nonexistent/program", "'unbalanced", "true"])
def test_a_command_that_fails_or_prints_nothing_is_refused(command: str) -> None:
    with pytest.raises(PassphraseUnusable):
        read_passphrase(None, command, prompt="P")


def test_a_command_that_fails_is_not_shown(tmp_path: Path) -> None:
    """It may hold a secret."""
    with pytest.raises(PassphraseUnusable) as raised:
        read_passphrase(None, "sh -c 'echo sesame; exit 1'", prompt="P")
    assert "sesame" not in raised.value.message


def test_a_command_that_fails_is_named_with_its_last_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PassphraseUnusable, match="sh ended with 7: no such entry") as raised:
        read_passphrase(None, "sh -c 'echo asking >&2; echo no such entry. >&2; exit 7'", prompt="P")
    assert "asking" not in raised.value.message
    assert capsys.readouterr().err == "asking\nno such entry.\n"


def test_a_command_that_is_not_there_is_told_so() -> None:
    with pytest.raises(PassphraseUnusable, match="can't be run: No such file"):
        read_passphrase(None, "/nonexistent/program", prompt="P")


def test_two_sources_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(PassphraseUnusable, match="exclude each other"):
        read_passphrase(tmp_path / "p", "true", prompt="P")


def test_a_new_one_may_not_be_short(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_text("short\n")
    with pytest.raises(PassphraseUnusable, match="fewer than 8"):
        read_passphrase(file, None, prompt="P", again=True)


def test_without_a_terminal_nobody_is_asked(commands: Commands) -> None:
    error = commands.error("vault", "init", "--holder", "file", "--ask", code=2)
    assert error["code"] == "passphrase_unusable"
    assert "--passphrase-file" in error["hint"]
    assert not (commands.data.vault / "vault.json").exists()


@pytest.mark.parametrize("name", LEAVES)
def test_no_command_takes_a_passphrase_as_an_argument(commands: Commands, name: str) -> None:
    """Each takes it from a file, a command or a prompt, if at all."""
    parameters = LEAVES[name].params  # type: ignore[attr-defined]
    words = {word for each in parameters for word in (each.name, *each.opts)}
    named = {word.lstrip("-").replace("_", "-") for word in words if "pass" in word or "secret" in word}
    taken_from = {"passphrase-file", "passphrase-command", "secret-file", "secret-command", "forget-secret"}
    assert named <= taken_from
    refused = commands.run(*name.split(), "--passphrase", NEW)
    assert refused.code == 2
    assert "No such option" in refused.err


def test_a_prompt_asks_twice_and_shows_nothing(commands: Commands) -> None:
    done = commands.on_terminal(
        *("vault", "init", "--holder", "file", "--ask"),
        answers={"Recovery passphrase: ": NEW, "Recovery passphrase, again: ": NEW},
    )
    assert done.code == 0
    assert NEW not in done.out
    (commands.data.root / "vault.key").unlink(missing_ok=True)
    file = commands.root / "mine"
    file.write_text(NEW)
    commands.run("vault", "key", "move", "file", "--recover", "--passphrase-file", file, code=0)


def test_two_different_answers_make_no_vault(commands: Commands) -> None:
    done = commands.on_terminal(
        *("vault", "init", "--holder", "file", "--ask"),
        answers={"Recovery passphrase: ": NEW, "Recovery passphrase, again: ": NEW + "!"},
    )
    assert done.code == 2
    assert "not the same" in done.out
    assert not (commands.data.vault / "vault.json").exists()


def test_a_passphrase_command_opens_the_vault(vault: Commands) -> None:
    command = f"cat {shlex.quote(os.fspath(vault.passphrase_file))}"
    vault.run("vault", "key", "move", "file", "--recover", "--passphrase-command", command, code=0)
    assert vault.json("vault", "key", "status")["available"]
