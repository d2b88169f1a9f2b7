"""Where a passphrase comes from: a prompt, a file, or a command. Never from an argument, which others could see."""

import contextlib
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from phoenix_core.cli.errors import PassphraseUnusable, SecretUnusable
from phoenix_core.cli.prompts import ask_secret, interruptible

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


def read_secret(file: Path | None, command: str | None, *, prompt: str) -> str:
    """A password of another service, from the same places. Raises SecretUnusable."""
    try:
        return read_passphrase(file, command, prompt=prompt)
    except PassphraseUnusable as error:
        detail = str(error.fields["detail"]).replace("--passphrase-", "--secret-")
        raise SecretUnusable(detail=detail) from error


def _from_file(file: Path) -> str:
    try:
        return (file.read_text("utf-8").splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as error:
        detail = error.strerror if isinstance(error, OSError) else "it isn't UTF-8"
        raise PassphraseUnusable(detail=f"{file}: {detail}") from error


def _from_command(command: str) -> str:
    """What the command says to standard error is passed on as it says it: it may ask for something there.

    Of the command itself only the program is named in errors: its arguments may be secret."""
    said = bytearray()
    try:
        words = shlex.split(command)
        program = words[0] if words else ""
        with interruptible(), _passed_on(said) as stderr:
            done = subprocess.run(
                words, check=False, stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=COMMAND_S, stdin=None
            )
    except subprocess.TimeoutExpired as error:
        raise PassphraseUnusable(detail=f"{program} did not end within {COMMAND_S} s") from error
    except (OSError, ValueError, IndexError) as error:
        detail = (isinstance(error, OSError) and error.strerror) or "that is no command"
        raise PassphraseUnusable(detail=f"--passphrase-command can't be run: {detail}") from error
    if done.returncode:
        last = (said.decode("utf-8", "replace").strip().splitlines() or ["it did not say why"])[-1]
        raise PassphraseUnusable(detail=f"{program} ended with {done.returncode}: {last.rstrip('.')}")
    return (done.stdout.splitlines() or [""])[0]


@contextlib.contextmanager
def _passed_on(said: bytearray) -> Iterator[int]:
    """A file descriptor; what is written to it goes to standard error, and to `said`, which is whole at the end."""
    reader, writer = os.pipe()

    def run() -> None:
        with open(reader, "rb", buffering=0) as pipe:
            while part := pipe.read(4096):
                said.extend(part)
                sys.stderr.write(part.decode("utf-8", "replace"))
                sys.stderr.flush()

    passing = threading.Thread(target=run, name="standard error", daemon=True)
    passing.start()
    try:
        yield writer
    finally:
        os.close(writer)
        passing.join(1.0)  # what the command left running may hold it open


def _from_prompt(prompt: str, *, again: bool) -> str:
    if not sys.stdin.isatty():
        raise PassphraseUnusable(detail="there is no terminal to ask at")
    found = ask_secret(f"{prompt}: ")
    if again and found and ask_secret(f"{prompt}, again: ") != found:
        raise PassphraseUnusable(detail="the two are not the same")
    return found
