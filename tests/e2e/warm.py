"""Runs commands of the product's command line in forks of a process that has loaded it: a fresh interpreter takes
longer to load the program than most commands take to run. All else is as with `python -m phoenix_core.cli`.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

PROGRAM = "phoenix_core.cli.__main__"
LOADED = ("phoenix_core.cli.main", "phoenix_core.cli.attach", "phoenix_core.cli.backupwork", "phoenix_core.cli.jobwork")
_LENGTH = struct.Struct("<I")
_NUMBER = struct.Struct("<i")
"""The process's id when it begins, and its exit code when it ends."""


class Commands:
    """A process that runs commands, one after the other or several at once."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="phx-", dir="/tmp")
        self._path = str(Path(self._folder.name) / "socket")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self._path)
            listening.listen(64)
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "tests.e2e.warm", str(listening.fileno())],
                pass_fds=[listening.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def run(
        self, arguments: Sequence[str], *, stdin: str | None, timeout: float, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Raises TimeoutExpired."""
        with (
            tempfile.TemporaryFile("w+") as given,
            tempfile.TemporaryFile("w+") as out,
            tempfile.TemporaryFile("w+") as err,
            socket.socket(socket.AF_UNIX) as asking,
        ):
            given.write(stdin or "")
            given.seek(0)
            asking.connect(self._path)
            asking.settimeout(timeout)
            order = json.dumps([list(arguments), dict(env), str(Path.cwd())]).encode()
            socket.send_fds(asking, [_LENGTH.pack(len(order))], [given.fileno(), out.fileno(), err.fileno()])
            asking.sendall(order)
            (pid,) = _NUMBER.unpack(asking.recv(_NUMBER.size))
            try:
                answer = asking.recv(_NUMBER.size)
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(arguments), timeout) from None
            code = _NUMBER.unpack(answer)[0] if answer else -signal.SIGKILL
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(list(arguments), code, out.read(), err.read())


@cache
def commands() -> Commands:
    """One for this process of tests."""
    return Commands()


def main() -> None:
    """Answer until killed."""
    for name in LOADED:
        importlib.import_module(name)
    listening = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, _ = listening.accept()
        if os.fork():
            asked.close()
            continue
        listening.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _be_a_command(asked)


def _be_a_command(asked: socket.socket) -> None:
    head, fds, _, _ = socket.recv_fds(asked, _LENGTH.size, 3)
    (length,) = _LENGTH.unpack(head)
    order = b""
    while len(order) < length:
        order += asked.recv(length - len(order))
    arguments, environment, folder = json.loads(order)
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    spec = importlib.util.find_spec(PROGRAM)
    assert spec is not None
    sys.argv = [str(spec.origin), *arguments]
    asked.sendall(_NUMBER.pack(os.getpid()))
    code = 1
    try:
        importlib.import_module(PROGRAM)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    asked.sendall(_NUMBER.pack(code))
    os._exit(code)


if __name__ == "__main__":
    main()
