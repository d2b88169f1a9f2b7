"""Phoenix as users run it: core with storage node, and agent, as services on this host; jobs through the API."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial, reduce
from pathlib import Path

from bench.measure import Failed, Measured, run_command
from bench.processes import PeakMemory, cpu_s, tree
from bench.tools.tool import PASSWORD, folder_bytes
from phoenix_core import __version__
from phoenix_core.client import CoreClient, CoreUnreachable
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.requests import (
    ActivationTokenRequest,
    BackupRequest,
    PruneRequest,
    RestoreRequest,
    VerifyRequest,
)
from phoenix_core.domain.states import JobState, VerifyDepth
from phoenix_core.domain.views import JobView

SERVER = "bench"
WAIT_S = 60.0
PROOF_PAUSE_S = 0.2
PROGRAM = (sys.executable, "-m", "phoenix_core.cli")
Ask = Callable[[CoreClient], Awaitable[JobView]]


class Phoenix:
    name = "phoenix"
    version = __version__
    host = "127.0.0.1"
    """Where the core listens."""

    def __init__(self, *, prove: bool = True, settings: dict[str, str] | None = None) -> None:
        """`prove`: whether the core proves new packs in the background, as it does by default."""
        self._settings = dict(settings or {}) | ({} if prove else {"prove.enabled": "false"})
        self._children: list[subprocess.Popen[bytes]] = []
        self.proof: list[Measured] = []
        """Of each backup: what the proof of its packs took after the job's end."""

    def open(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        self._socket = self._data / "core.sock"
        (self._data / "phoenix.toml").write_text(f'[core]\nlisten = "{self.host}:0"\n')
        passphrase = folder / "passphrase"
        passphrase.write_text(PASSWORD + "\n")
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PHOENIX_")},
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "HOME": str(folder),
        }
        self._run("vault", "init", "--holder", "file", "--passphrase-file", str(passphrase))
        self._start("core", "run", "--quiet")
        self._wait_until(self._answers)
        token = asyncio.run(self._token())
        self._run("agent", "enroll", "-", stdin=token + "\n")
        for key, value in self._settings.items():
            asyncio.run(self._set(key, value))
        self._place_vault()
        self._stop()
        began = time.monotonic()
        self._start("core", "run", "--quiet")
        self._wait_until(self._answers)
        self._start("agent", "run")
        self._wait_until(self._connected)
        services_s = time.monotonic() - began
        listing = self._run("server", "list")
        self._start_s = services_s + listing
        """Starting the services, and a command that asks them."""

    # --- operations --------------------------------------------------------------------------------------------------

    def backup(self, source: Path) -> Measured:
        measured = self._job(lambda client: client.backup(BackupRequest(SERVER, (str(source),))))
        self.proof.append(self._until_proved())
        return measured

    def restore(self, target: Path) -> Measured:
        return self._job(lambda client: client.restore(RestoreRequest(SERVER, destination=str(target))))

    def check(self) -> Measured:
        return self._job(lambda client: client.verify(VerifyRequest(VerifyDepth.CHUNKS)))

    def snapshots(self) -> list[str]:
        return asyncio.run(self._snapshots())

    def drop_half(self) -> Measured:
        dropped = [self._job(partial(_remove, snapshot)) for snapshot in self.snapshots()[::2]]
        return reduce(Measured.then, dropped)

    def prune(self) -> Measured:
        return self._job(lambda client: client.prune(PruneRequest(execute=True)))

    def stored_bytes(self) -> int:
        return folder_bytes(self._data / "vault")

    def close(self) -> None:
        self._stop()

    # --- the services ------------------------------------------------------------------------------------------------

    def _start(self, *arguments: str) -> None:
        log = (self._folder / f"{arguments[0]}.log").open("ab")
        with log:
            child = subprocess.Popen(
                [*PROGRAM, *arguments, "--data", str(self._data)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        self._children.append(child)

    def _stop(self) -> None:
        for child in reversed(self._children):
            child.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(30)
            if child.poll() is None:
                child.kill()
                child.wait()
        self._children.clear()

    def _run(self, *arguments: str, stdin: str | None = None) -> float:
        """A command to its end; the seconds that it took. Raises Failed."""
        command = [*PROGRAM, *arguments, "--data", str(self._data)]
        if stdin is None:
            return run_command(command, self._environment, self._folder / "commands.log").wall_s
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, env=self._environment, check=False)
        if done.returncode:
            raise Failed(f"phoenix {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return 0.0

    def _wait_until(self, ready: Callable[[], Awaitable[bool]], pause_s: float = 0.02) -> None:
        async def wait() -> bool:
            return await ready()

        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            with contextlib.suppress(CoreUnreachable, RemoteError):
                if asyncio.run(wait()):
                    return
            time.sleep(pause_s)
        raise Failed("phoenix did not come up")

    def _client(self) -> CoreClient:
        return CoreClient(self._socket)

    async def _answers(self) -> bool:
        async with self._client() as client:
            await client.status()
        return True

    async def _connected(self) -> bool:
        async with self._client() as client:
            return any(server.connected for server in await client.servers())

    def _place_vault(self) -> None:
        """Before the services start: the vault stays with the core."""

    async def _token(self) -> str:
        async with self._client() as client:
            return (await client.activation_token(ActivationTokenRequest(name=SERVER))).token

    async def _set(self, key: str, value: str) -> None:
        async with self._client() as client:
            await client.set_setting(key, value)

    async def _snapshots(self) -> list[str]:
        async with self._client() as client:
            return [each.id for each in reversed(await client.snapshots())]

    # --- measuring ---------------------------------------------------------------------------------------------------

    def _job(self, ask: Ask) -> Measured:
        roots = [child.pid for child in self._children]
        cpu_before = cpu_s(roots)
        with PeakMemory(lambda: {"core": tree(roots[0]), "agent": tree(roots[1])}) as memory:
            wall_s, job = asyncio.run(self._timed(ask))
        if job.state is not JobState.SUCCESSFUL:
            raise Failed(f"the job ended {job.state}: {job.error}")
        return Measured(wall_s, cpu_s(roots) - cpu_before, self._start_s, False, memory.peaks, memory.total)

    async def _timed(self, ask: Ask) -> tuple[float, JobView]:
        """From the request until its end is known here."""
        async with self._client() as client, contextlib.aclosing(client.events()) as events:
            await anext(events)
            began = time.monotonic()
            job = await ask(client)
            while not job.state.is_final:
                event = await anext(events)
                if event.job is not None and event.job.id == job.id:
                    job = event.job
            return time.monotonic() - began, await client.job(job.id)

    def _until_proved(self) -> Measured:
        roots = [child.pid for child in self._children]
        cpu_before, began = cpu_s(roots), time.monotonic()
        if self._settings.get("prove.enabled") != "false":
            self._wait_until(self._proved, PROOF_PAUSE_S)
        return Measured(time.monotonic() - began, cpu_s(roots) - cpu_before, included=False)

    async def _proved(self) -> bool:
        async with self._client() as client:
            return (await client.vault()).unproved_packs == 0


def _remove(snapshot: str, client: CoreClient) -> Awaitable[JobView]:
    return client.remove_snapshot(snapshot, at_once=True, typed=snapshot[:12])
