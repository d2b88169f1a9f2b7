"""Runs an administrator's scripts around a backup: by name, from a folder that only root (or the agent's own user) may
change, so that whoever holds the core can choose a script, and can't bring one.

A script gets no input; PHOENIX_PHASE (`pre` or `post`), PHOENIX_JOB and, after the backup, PHOENIX_RESULT
(`successful`, `failed` or `cancelled`) are in its environment. At its time-out, or when the job is cancelled, it ends
with all that it started in its session.
"""

import os
import re
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from phoenix_core.agent.errors import AgentError

DEFAULT_FOLDER = Path("/etc/phoenix/scripts")
NAME = re.compile(r"\w[\w.-]{0,99}")
POLL_S = 0.1
GRACE_S = 5.0
"""Between the request to end and the end."""
LAST_CHARS = 500
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ScriptUnusable(AgentError):
    code = "script_unusable"
    template = "The script {path} can't be run: {detail}."
    hint = "Put it there as an executable file of root that nobody else may write to; the same holds for its folder."


class ScriptFailed(AgentError):
    code = "script_failed"
    template = "The script {path} {detail}."
    hint = "Run it by hand on that server. It said last: {output}"


class Scripts:
    def __init__(self, folder: Path, *, grace_s: float = GRACE_S) -> None:
        self._folder = folder
        self._grace_s = grace_s

    def run(self, name: str, environment: Mapping[str, str], timeout_s: float, tick: Callable[[], None]) -> float:
        """The seconds that it took. `tick` is called several times a second; what it raises ends the script.

        Raises ScriptUnusable, ScriptFailed."""
        path = self._checked(name)
        began = time.monotonic()
        with tempfile.TemporaryFile() as output:
            try:
                process = subprocess.Popen(
                    [str(path)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd="/",
                    env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **environment},
                    start_new_session=True,
                )
            except OSError as error:
                raise ScriptUnusable(path=path, detail=error.strerror or str(error)) from error
            try:
                detail = self._wait(process, began + timeout_s, tick)
            finally:
                self._end(process)
            if detail:
                raise ScriptFailed(path=path, detail=detail, output=_last_of(output.fileno()))
        return time.monotonic() - began

    def _checked(self, name: str) -> Path:
        path = self._folder / name
        if not NAME.fullmatch(name):
            raise ScriptUnusable(path=path, detail="its name is none of letters, digits, -, _ and .")
        for each, is_kind, kind in ((self._folder, stat.S_ISDIR, "folder"), (path, stat.S_ISREG, "file")):
            try:
                status = os.lstat(each)
            except OSError as error:
                raise ScriptUnusable(path=path, detail=error.strerror or str(error)) from error
            if not is_kind(status.st_mode):
                raise ScriptUnusable(path=path, detail=f"{each} is no {kind}")
            if status.st_uid not in {0, os.geteuid()}:
                raise ScriptUnusable(path=path, detail=f"{each} belongs to somebody else than root")
            if status.st_mode & _OTHERS_MAY_WRITE:
                raise ScriptUnusable(path=path, detail=f"others than its owner may write to {each}")
        return path

    def _wait(self, process: "subprocess.Popen[bytes]", until: float, tick: Callable[[], None]) -> str:
        """What was wrong with it; empty: nothing."""
        while True:
            try:
                code = process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                tick()
                if time.monotonic() >= until:
                    return "took too long and was stopped"
            else:
                if code < 0:
                    return f"was ended by signal {-code}"
                return f"ended with exit code {code}" if code else ""

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        """What is left of it and of what it started."""
        if process.poll() is None:
            _signal(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(self._grace_s)
        _signal(process.pid, signal.SIGKILL)
        process.wait()


def _signal(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _last_of(fd: int) -> str:
    """The end of its output, in one line."""
    size = os.fstat(fd).st_size
    text = os.pread(fd, 4 * LAST_CHARS, max(0, size - 4 * LAST_CHARS)).decode("utf-8", "replace")
    line = " ".join(text.split())[-LAST_CHARS:]
    return line or "nothing"
