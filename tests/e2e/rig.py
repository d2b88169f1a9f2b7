"""A small installation for tests: core, agents and storage nodes as processes of their own, driven by the command line.

Everything lies below one short temporary folder (Unix sockets allow paths of 107 bytes) and is gone at the end."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.agent import kinds_of_entries
from tests.e2e import watch
from tests.e2e.warm import commands

PASSPHRASE = "a passphrase of these tests"
COMMAND_S = 150.0
PHOENIX = (sys.executable, "-m", "phoenix_core.cli")
ENDS_WITH_THE_TESTS = ("setpriv", "--pdeathsig", "KILL")
WITHOUT_POWERS = ("--bounding-set", "-all", "--inh-caps", "-all")
"""Root without any of root's capabilities: file permissions stop it as they stop anybody."""
_NOT_PASSED_ON = ("PHOENIX_", "PYTHONDONTWRITEBYTECODE")
"""Of the environment. Without byte code each process would take a second to start."""


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def expect(self, code: int = 0) -> "Answer":
        assert self.code == code, f"phoenix {' '.join(self.arguments)} ended with {self.code}\n{self.out}\n{self.err}"
        return self

    @property
    def error(self) -> dict[str, Any]:
        """Of a command that failed before it had a job; checks that it says what happened and what to do."""
        error: dict[str, Any] = self.json["error"]
        assert error["code"]
        assert error["message"]
        assert error["hint"]
        assert "Traceback" not in self.err
        return error


class Process:
    """A role as a process, in a session of its own, so that its workers can be ended with it."""

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        *,
        powerless: bool = False,
        program: Sequence[str] = PHOENIX,
    ) -> None:
        self._log = log
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                [*ENDS_WITH_THE_TESTS, *(WITHOUT_POWERS if powerless else ()), *program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=out,
                env=dict(environment),
                start_new_session=True,
            )
        self.pid = self._child.pid

    def first_line(self) -> str:
        """Blocks until the process printed a line. Fails where it ended before."""
        out: IO[bytes] | None = self._child.stdout
        assert out is not None
        ready, _, _ = select.select([out], [], [], watch.WITHIN_S)
        line = out.readline() if ready else b""
        assert line, f"the process said nothing: {self._log.read_text(errors='replace')[-4000:]}"
        return line.decode()

    def kill(self) -> None:
        """kill -9 of the one process, as the kernel does it to one that takes too much memory."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._child.wait(30)

    def wait(self, within_s: float) -> int:
        """Its exit code. Raises TimeoutExpired."""
        return self._child.wait(within_s)

    def stop(self) -> int:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        return self._child.wait(30)

    def clean_up(self) -> None:
        """End it and whatever it left behind in its session."""
        self.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._child.stdout is not None:
            self._child.stdout.close()


class Machine:
    """One data directory, and what runs on it."""

    def __init__(
        self, folder: Path, name: str = "data", *, core: "Machine | None" = None, powerless: bool = False
    ) -> None:
        """`core`: the machine whose core it belongs to. `powerless`: its processes heed file permissions."""
        self.folder = folder
        self.data = folder / name
        self.data.mkdir(mode=0o700)
        self._powerless = powerless and os.geteuid() == 0
        self.core = core or self
        self.vault = self.data / "vault"
        self.socket = self.data / "core.sock"
        self._name = name
        self._processes: list[Process] = []
        self.running_core: Process
        self.agent: Process
        self.storage: Process
        self.agent_program: Sequence[str] = PHOENIX
        """Another command line may stand in for it, to start agents that differ from the product's."""
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(_NOT_PASSED_ON)},
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "HOME": str(folder),
        }

    # --- commands ----------------------------------------------------------------------------------------------------

    def command(
        self, *arguments: str, data: Path | None = None, timeout: float = COMMAND_S, stdin: str | None = None
    ) -> Answer:
        """Run a command to its end, with `--data`."""
        done = commands().run(
            [*arguments, "--data", str(data or self.data)], stdin=stdin, timeout=timeout, env=self.environment
        )
        return Answer(arguments, done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str, code: int = 0) -> Any:
        """What a command prints with `--json`; it must end with `code`."""
        return self.command(*arguments, "--json").expect(code).json

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that goes on beside the test."""
        return subprocess.Popen(
            [*PHOENIX, *arguments, "--data", str(self.data)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    # --- processes ---------------------------------------------------------------------------------------------------

    def init(self, vault: Path | None = None) -> None:
        """A vault whose passphrase the test knows, and a core that listens on loopback only."""
        if vault is not None:
            self.vault = vault
        self.data.joinpath("phoenix.toml").write_text(
            f'[core]\nlisten = "127.0.0.1:0"\n[storage]\npath = "{self.vault}"\n'
        )
        self.passphrase(PASSPHRASE)
        self.json("vault", "init", "--holder", "file", "--passphrase-file", str(self.passphrase(PASSPHRASE)))

    def passphrase(self, text: str) -> Path:
        file = self.folder / "passphrase"
        file.write_text(text + "\n")
        return file

    def start_core(self) -> Process:
        self.running_core = self._start("core", "run", "--quiet", "--data", str(self.data))
        self.running_core.first_line()
        return self.running_core

    def start_storage(self) -> Process:
        self.storage = self._start("storage", "run", "--data", str(self.data))
        self.storage.first_line()
        return self.storage

    def start_agent(self, *, wait: bool = True) -> Process:
        self.agent = self._start("agent", "run", "--data", str(self.data), program=self.agent_program)
        if wait:
            self.core.wait_connected(self.agent_id)
        return self.agent

    def enroll(self, name: str) -> None:
        """This machine as a server of its core."""
        token = self.core.json("server", "token", "--name", name)["token"]
        self.command("agent", "enroll", "-", stdin=token + "\n").expect()

    @property
    def agent_id(self) -> str:
        found: str = json.loads((self.data / "agent" / "peer.json").read_text())["peer_id"]
        return found

    def _start(self, *arguments: str, program: Sequence[str] = PHOENIX) -> Process:
        log = self.folder / f"{self._name}-{arguments[0]}.log"
        process = Process(arguments, log, self.environment, powerless=self._powerless, program=program)
        self._processes.append(process)
        return process

    # --- waiting -----------------------------------------------------------------------------------------------------

    def wait_connected(self, server: str) -> None:
        def connected() -> bool:
            return any(each["connected"] for each in watch.get(self.socket, "/v1/servers") if each["id"] == server)

        watch.wait_until(self.socket, "the agent's link", connected)

    def wait_proved(self) -> None:
        """Servers use each other's chunks only where the core has read them."""

        def proved() -> bool:
            return not watch.get(self.socket, "/v1/vault")["unproved_packs"]

        watch.wait_until(self.socket, "the proof of all packs", proved)

    def job(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = watch.get(self.socket, f"/v1/jobs/{job}")
        return found

    def wait_job(self, job: str) -> dict[str, Any]:
        """The job at its end."""
        return self.wait_state(job, *FINAL)

    def wait_state(self, job: str, *states: str) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            found = self.job(job)
            return found if found["state"] in states else None

        found: dict[str, Any] = watch.wait_until(self.socket, f"{' or '.join(states)} of job {job}", reached)
        return found

    def wait_log(self, role: str, text: str) -> None:
        """Wait until the role's log says so."""
        file = self.data / "logs" / f"{role}.log"
        file.parent.mkdir(mode=0o700, exist_ok=True)
        end = time.monotonic() + watch.WITHIN_S
        while not (file.exists() and text in file.read_text()):
            assert time.monotonic() < end, f"{file} does not say: {text}\n{file.read_text() if file.exists() else ''}"
            select.select([], [], [], 0.05)

    def clean_up(self) -> None:
        for process in reversed(self._processes):
            process.clean_up()


FINAL = ("successful", "successful_with_errors", "failed", "cancelled", "skipped", "aborted")


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a short path, removed at the end with whatever odd entries are in it."""
    folder = Path(tempfile.mkdtemp(prefix="phx-", dir="/tmp"))
    try:
        yield folder
    finally:
        kinds_of_entries.remove(folder)


@contextlib.contextmanager
def machine() -> Iterator[Machine]:
    """A machine without anything on it yet."""
    with short_folder() as folder:
        made = Machine(folder)
        try:
            yield made
        finally:
            made.clean_up()
