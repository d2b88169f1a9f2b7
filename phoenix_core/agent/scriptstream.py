"""The standard output of an administrator's script as data; it counts only if the script ends well."""

import fcntl
import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from phoenix_core.agent.scripts import Output, ScriptFailed, Scripts, end_of, end_session

PIPE_BYTES = 2**20
POLL_S = 0.2


class ScriptStream:
    """One run of a script. `read_into` until it gives 0, then `finish`; the block's end ends a script that still runs.

    `tick` is called several times a second while the script is waited for; what it raises comes out of the call."""

    def __init__(
        self, scripts: Scripts, name: str, environment: Mapping[str, str], timeout_s: float, tick: Callable[[], None]
    ) -> None:
        """Starts it. Raises ScriptUnusable."""
        self._scripts = scripts
        self._until = time.monotonic() + timeout_s
        self._tick = tick
        self.path, self._process = scripts.begin(name, environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._said = Output(self._process.stderr)
        self._fd = self._process.stdout.fileno()
        with suppress(OSError):  # a smaller one is slower, and all the same
            fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._ready = select.poll()
        self._ready.register(self._fd, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdout is not None
        end_session(self._process, self._scripts.grace_s)
        self._process.stdout.close()

    def read_into(self, view: memoryview) -> int:
        """Some bytes; 0 once the script has closed its output. Raises ScriptFailed at the time-out."""
        while not self._ready.poll(POLL_S * 1000):
            self._tick()
            self._check_time()
        self._check_time()
        return os.readv(self._fd, [view])

    def finish(self) -> None:
        """Wait for its end. Raises ScriptFailed unless it is exit code 0."""
        while True:
            try:
                code = self._process.wait(POLL_S)
                break
            except subprocess.TimeoutExpired:
                self._tick()
                self._check_time()
        detail = end_of(code)
        if detail:
            raise self._failed(detail)

    def _check_time(self) -> None:
        if time.monotonic() >= self._until:
            end_session(self._process, self._scripts.grace_s)
            raise self._failed("took too long and was stopped")

    def _failed(self, detail: str) -> ScriptFailed:
        return ScriptFailed(path=self.path, detail=detail, output=self._said.last())
