"""Runs an administrator's scripts around a backup: by name, from a folder that only root (or the agent's own user) may
change, so that whoever holds the core can choose a script, and can't bring one.

A script gets no input; PHOENIX_PHASE (`pre` or `post`), PHOENIX_JOB and, after the backup, PHOENIX_RESULT
(`successful`, `failed` or `cancelled`) are in its environment. At its time-out, or when the job is cancelled, it ends
with all that it started in its session; what a script that ends well leaves running goes on.
"""

import os
import signal
import stat
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from phoenix_core.agent.errors import AgentError
from phoenix_core.domain.policies import SCRIPT_NAME

DEFAULT_FOLDER = Path("/etc/phoenix/scripts")
POLL_S = 0.1
GRACE_S = 5.0
"""Between the request to end and the end."""
OUTPUT_WAIT_S = 1.0
LAST_CHARS = 500
_KEPT_LINES = 20
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ScriptUnusable(AgentError):
    code = "script_unusable"
    template = "The script {path} can't be run: {detail}."
    hint = (
        "Put it there as an executable file of root that nobody else may write to; the same holds for its folder and "
        "the folders above."
    )


class ScriptFailed(AgentError):
    code = "script_failed"
    template = "The script {path} {detail}."
    hint = "Run it by hand on that server. It said last: {output}"


class Scripts:
    def __init__(self, folder: Path, *, grace_s: float = GRACE_S) -> None:
        self._folder = folder
        self.grace_s = grace_s

    def run(self, name: str, environment: Mapping[str, str], timeout_s: float, tick: Callable[[], None]) -> float:
        """The seconds that it took. `tick` is called several times a second while it runs; what it raises ends it.

        Raises ScriptUnusable, where it was not started; ScriptFailed."""
        began = time.monotonic()
        path, process = self.begin(name, environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdout is not None
        output = Output(process.stdout)
        try:
            detail = self._wait(process, began + timeout_s, tick)
        finally:
            end_session(process, self.grace_s)
        if detail:
            raise ScriptFailed(path=path, detail=detail, output=output.last())
        return time.monotonic() - began

    def begin(
        self, name: str, environment: Mapping[str, str], *, stdout: int, stderr: int
    ) -> tuple[Path, "subprocess.Popen[bytes]"]:
        """Start a script in a session of its own; where it lies, and its process. Raises ScriptUnusable."""
        path = self._checked(name)
        try:
            process = subprocess.Popen(
                [str(path)],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **environment},
                start_new_session=True,
            )
        except OSError as error:
            raise ScriptUnusable(path=path, detail=error.strerror or str(error)) from error
        return path, process

    def _checked(self, name: str) -> Path:
        path = self._folder / name
        if not SCRIPT_NAME.fullmatch(name):
            raise ScriptUnusable(path=path, detail="its name is none of letters, digits, -, _ and .")
        try:
            problem = _problem_of(path, stat.S_ISREG) or _problem_of(self._folder, stat.S_ISDIR)
            for above in self._folder.absolute().parents:
                problem = problem or _problem_of(above, stat.S_ISDIR, may_be_sticky=True)
        except OSError as error:
            raise ScriptUnusable(path=path, detail=error.strerror or str(error)) from error
        if problem:
            raise ScriptUnusable(path=path, detail=problem)
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
                return end_of(code)


def end_of(code: int) -> str:
    """What is wrong with a script that ended so; empty: nothing."""
    if code < 0:
        return f"was ended by signal {-code}"
    return f"ended with exit code {code}" if code else ""


def end_session(process: "subprocess.Popen[bytes]", grace_s: float) -> None:
    """Where it still runs: it, and all of its session."""
    if process.poll() is not None:
        return
    _signal_session(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace_s)
    _signal_session(process.pid, signal.SIGKILL)
    process.wait()


class Output:
    """Reads a script's output in a thread, to its end, and keeps the last of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lines: deque[bytes] = deque(maxlen=_KEPT_LINES)
        self._thread = threading.Thread(target=self._read, name="script output", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream, suppress(OSError, ValueError):
            while line := self._stream.readline(4 * LAST_CHARS):
                self._lines.append(line)

    def last(self) -> str:
        """In one line; what it started may hold the stream open, and isn't waited for."""
        self._thread.join(OUTPUT_WAIT_S)
        text = b"".join(list(self._lines)).decode("utf-8", "replace")
        return " ".join(text.split())[-LAST_CHARS:] or "nothing"


def _problem_of(path: Path, is_kind: Callable[[int], bool], *, may_be_sticky: bool = False) -> str:
    """Why somebody else than root or this user could exchange it; empty: nobody can. Raises OSError."""
    status = os.lstat(path)
    if not is_kind(status.st_mode):
        return f"{path} is no {'file' if is_kind is stat.S_ISREG else 'folder'}"
    if status.st_uid not in {0, os.geteuid()}:
        return f"{path} belongs to somebody else than root"
    if status.st_mode & _OTHERS_MAY_WRITE and not (may_be_sticky and status.st_mode & stat.S_ISVTX):
        return f"others than its owner may write to {path}"
    return ""


def _signal_session(session: int, number: int) -> None:
    """To all processes of the session, also in groups of their own."""
    for pid in (session, *_of_session(session)):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _of_session(session: int) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            if int(entry.read_text("utf-8", "replace").rpartition(")")[2].split()[3]) == session:
                yield int(entry.parent.name)
