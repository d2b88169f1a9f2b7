"""The one place from which the commands of LVM, ZFS and util-linux are run: by absolute path, with an environment of
their own, without input, and never for longer than a limit."""

import os
import shlex
import signal
import subprocess
from contextlib import suppress
from typing import Protocol

from phoenix_core.agent.sourcesnapshots.errors import CommandFailed, CommandMissing, CommandTimedOut

FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""In them only root can put anything."""
TIMEOUT_S = 120.0
GRACE_S = 10.0
_ENVIRONMENT = {"PATH": ":".join(FOLDERS), "LC_ALL": "C", "LVM_SUPPRESS_FD_WARNINGS": "1"}
_DETAIL_CHARS = 500


class Commands(Protocol):
    def run(self, command: str, *arguments: str) -> str:
        """What it printed. Raises CommandMissing, CommandFailed, CommandTimedOut."""


class HostCommands:
    def __init__(self, timeout_s: float = TIMEOUT_S, *, grace_s: float = GRACE_S) -> None:
        self._timeout_s = timeout_s
        self._grace_s = grace_s

    def run(self, command: str, *arguments: str) -> str:
        program = next((path for folder in FOLDERS if os.access(path := f"{folder}/{command}", os.X_OK)), None)
        if program is None:
            raise CommandMissing(command=command)
        process = subprocess.Popen(
            (program, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
        )
        line = shlex.join((command, *arguments))
        try:
            out, told = process.communicate(timeout=self._timeout_s)
        except subprocess.TimeoutExpired as error:
            self._ask_to_end(process)
            raise CommandTimedOut(command=line, seconds=f"{self._timeout_s:g}", pid=process.pid) from error
        if process.returncode:
            raise CommandFailed(command=line, detail=_last_of(told) or f"exit code {process.returncode}")
        return out.decode("utf-8", "surrogateescape")

    def _ask_to_end(self, process: "subprocess.Popen[bytes]") -> None:
        """Never by SIGKILL: LVM killed at the wrong moment leaves the volume suspended, and with it the server."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=self._grace_s)


def _last_of(told: bytes) -> str:
    text = " ".join(told.decode("utf-8", "replace").split())
    return text if len(text) <= _DETAIL_CHARS else "…" + text[-_DETAIL_CHARS:]
