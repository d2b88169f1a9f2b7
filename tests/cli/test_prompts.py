"""Prompts: one Ctrl-C ends them, and what is secret isn't shown."""

import pytest

from tests.cli.commands import CTRL_C, Commands

MOVE = ("vault", "key", "move", "file", "--recover")


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        (MOVE, "Recovery passphrase: "),
        (("vault", "key", "change-passphrase"), "New recovery passphrase: "),
        (("agent", "enroll", "-"), "Token: "),
        (("storage", "enroll", "-"), "Token: "),
        (("vault", "prune", "--execute"), "[y/N] "),
    ],
)
def test_one_ctrl_c_ends_a_prompt(vault: Commands, words: tuple[str, ...], prompt: str) -> None:
    """Waiting for a second key, the command would take what is typed next."""
    done = vault.on_terminal(*words, answers={prompt: CTRL_C})
    assert done.code == 130, done.out
    assert "phoenix: interrupted." in done.out


def test_one_ctrl_c_ends_the_prompt_for_a_new_vaults_passphrase(commands: Commands) -> None:
    done = commands.on_terminal("vault", "init", "--holder", "file", "--ask", answers={"Recovery passphrase: ": CTRL_C})
    assert done.code == 130, done.out
    assert "phoenix: interrupted." in done.out


def test_ctrl_c_at_a_question_ends_the_core_inside_the_command_too(vault: Commands) -> None:
    core = vault.start_core()
    token = vault.json("server", "token", "--name", "web1")["token"]
    vault.run("agent", "enroll", "-", stdin=token + "\n", code=0)
    vault.run("core", "stop", code=0)
    core.communicate()
    done = vault.on_terminal("server", "remove", "web1", answers={"to confirm: ": CTRL_C})
    assert done.code == 130, done.out
    assert not vault.json("server", "show", "web1")["revoked"]


def test_the_end_of_input_is_an_empty_answer(vault: Commands) -> None:
    done = vault.on_terminal(*MOVE, answers={"Recovery passphrase: ": "\x04"})
    assert done.code == 2
    assert "it is empty" in done.out


def test_a_token_that_is_pasted_is_not_shown(running: Commands) -> None:
    token = running.json("server", "token", "--name", "web8")["token"]
    done = running.on_terminal("agent", "enroll", "-", "--data", running.root / "web8", answers={"Token: ": token})
    assert done.code == 0, done.out
    assert token not in done.out
    assert "Enrolled as web8" in done.out
    running.run("server", "remove", "web8", "--confirm", "web8", code=0)
