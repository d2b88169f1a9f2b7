"""Runs commands for tests: in this process, where nothing but their words matters, or in one of its own."""

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from phoenix_core.cli.main import app
from phoenix_core.host.datadir import DataDirectory

PASSPHRASE = "correct horse battery staple"
PHOENIX = (sys.executable, "-m", "phoenix_core.cli")
WAIT_S = 60.0
HEEDING_SIGNALS = ("env", "--default-signal=INT,HUP")
"""Tests that run in the background of a shell inherit that SIGINT is ignored."""
CTRL_C = "\x03"
WITHOUT_HANG_UP = ("env", "--ignore-signal=HUP")
"""As nohup does."""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Commands:
    """Commands on one data directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = DataDirectory(root / "data")
        self.passphrase_file = root / "passphrase"
        self.passphrase_file.write_text(PASSPHRASE + "\n")
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PHOENIX_", "PYTEST_"))},
            "PHOENIX_DATA": str(self.data.root),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "COLUMNS": "200",
            "TERM": "dumb",
        }

    def run(self, *words: str | Path, stdin: str | None = None, code: int | None = None) -> Done:
        """In this process. Its standard input is no terminal."""
        result = CliRunner().invoke(app, [str(word) for word in words], input=stdin, env=self.environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        done = Done(result.exit_code, result.stdout, result.stderr)
        assert code is None or done.code == code, done
        return done

    def json(self, *words: str | Path, code: int = 0) -> Any:
        return self.run(*words, "--json", code=code).json

    def error(self, *words: str | Path, code: int = 1) -> Any:
        """The error that a command prints with --json."""
        return self.json(*words, code=code)["error"]

    def process(self, *words: str | Path) -> Done:
        """In a process of its own, to its end."""
        process = self.begin(*words)
        out, err = process.communicate(timeout=WAIT_S)
        return Done(process.returncode, out, err)

    def begin(self, *words: str | Path, nohup: bool = False) -> "subprocess.Popen[str]":
        """In a process of its own, which the caller ends."""
        return subprocess.Popen(
            [*HEEDING_SIGNALS, *(WITHOUT_HANG_UP if nohup else ()), *PHOENIX, *map(str, words)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def make_vault(self) -> None:
        self.data.create()
        self.data.config.write_text('[core]\nlisten = "127.0.0.1:0"\n')
        self.run("vault", "init", "--holder", "file", "--passphrase-file", self.passphrase_file, code=0)

    def start_core(self) -> "subprocess.Popen[str]":
        """Once it says that it runs."""
        process = self.begin("core", "run", "--quiet")
        assert process.stdout is not None
        assert "The core runs on" in process.stdout.readline()
        return process

    def on_terminal(self, *words: str | Path, answers: dict[str, str] | None = None) -> Done:
        """In a process of its own on a terminal, its controlling one; when a text of `answers` is shown, its answer is
        typed."""
        main, terminal = os.openpty()
        process = subprocess.Popen(
            [*HEEDING_SIGNALS, "setsid", "--ctty", *PHOENIX, *map(str, words)],
            env=self.environment | {"TERM": "xterm"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        try:
            return Done(*_converse(main, process, dict(answers or {})), "")
        finally:
            os.close(main)
            process.kill()
            process.wait()


def _converse(main: int, process: "subprocess.Popen[bytes]", answers: dict[str, str]) -> tuple[int, str]:
    seen = ""
    unanswered = ""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if not select.select([main], [], [], 0.2)[0]:
            continue
        try:
            text = os.read(main, 65536).decode("utf-8", "replace")
        except OSError:  # EIO: the other side is closed
            text = ""
        if not text:
            return process.wait(WAIT_S), seen
        seen += text
        unanswered += text
        for prompt in [each for each in answers if each in unanswered]:
            answer = answers.pop(prompt)
            os.write(main, answer.encode() + (b"" if answer == CTRL_C else b"\n"))
            unanswered = ""
    raise AssertionError(f"no end after {WAIT_S} s: {seen}")
