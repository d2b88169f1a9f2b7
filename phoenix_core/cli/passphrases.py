"""Where a passphrase comes from: a prompt, a file, or a command. Never from an argument, which others could see."""

import shlex
import subprocess
import sys
from pathlib import Path

from phoenix_core.cli.errors import PassphraseUnusable
from phoenix_core.cli.prompts import ask_secret

SHORTEST = 8
COMMAND_S = 60


def read_passphrase(file: Path | None, command: str | None, *, prompt: str, again: bool = False) -> str:
    """The passphrase, without the line's end. `again`: a new one, asked for twice at a prompt and not too short.

    Raises PassphraseUnusable."""
    if file is not None and command is not None:
        raise PassphraseUnusable(detail="--passphrase-file and --passphrase-command exclude each other")
    if file is not None:
        found = _from_file(file)
    elif command is not None:
        found = _from_command(command)
    else:
        found = _from_prompt(prompt, again=again)
    if not found:
        raise PassphraseUnusable(detail="it is empty")
    if again and len(found) < SHORTEST:
        raise PassphraseUnusable(detail=f"it has fewer than {SHORTEST} characters")
    return found


def _from_file(file: Path) -> str:
    try:
        return (file.read_text("utf-8").splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as error:
        detail = error.strerror if isinstance(error, OSError) else "it isn't UTF-8"
        raise PassphraseUnusable(detail=f"{file}: {detail}") from error


def _from_command(command: str) -> str:
    try:
        done = subprocess.run(
            shlex.split(command), check=True, stdout=subprocess.PIPE, text=True, timeout=COMMAND_S, stdin=None
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise PassphraseUnusable(detail=f"the command failed ({type(error).__name__})") from error
    return (done.stdout.splitlines() or [""])[0]


def _from_prompt(prompt: str, *, again: bool) -> str:
    if not sys.stdin.isatty():
        raise PassphraseUnusable(detail="there is no terminal to ask at")
    found = ask_secret(f"{prompt}: ")
    if again and found and ask_secret(f"{prompt}, again: ") != found:
        raise PassphraseUnusable(detail="the two are not the same")
    return found
