"""Runs the console beside a core: one that runs already, or one embedded here with this machine's agent."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from phoenix_core.cli.attach import answers
from phoenix_core.cli.errors import CoreNotRunning
from phoenix_core.cli.output import say
from phoenix_core.cli.program import command_line
from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import EXIT_DONE
from phoenix_core.host.datadir import DataDirectory

KEEP = "keep"
STARTING_S = 60.0
POLL_S = 0.1


class OpenUi(Protocol):
    """The console's entry point. Returns what is to become of an embedded core: `stop` or `keep`. Where it raises,
    the embedded core stops. `command` makes of words what the operator types for that command."""

    def __call__(self, data_dir: Path, *, embedded: bool, command: Callable[..., str]) -> Awaitable[str]: ...


async def run_console(data: DataDirectory, open_ui: OpenUi) -> int:
    async with CoreClient(data.core_socket) as client:
        running = await answers(client)
    if running:
        await open_ui(data.root, embedded=False, command=partial(command_line, data))
    else:
        await _with_embedded_core(data, open_ui)
    return EXIT_DONE


async def _with_embedded_core(data: DataDirectory, open_ui: OpenUi) -> None:
    from phoenix_core.cli.embedded import EmbeddedCore
    from phoenix_core.cli.ownagent import OwnAgent, is_enrolled

    core = EmbeddedCore(data)
    await core.start()
    agent = OwnAgent(data)
    leaving = ""
    try:
        if is_enrolled(data):
            await agent.start()
        leaving = await open_ui(data.root, embedded=True, command=partial(command_line, data))
    finally:
        if leaving != KEEP:
            await agent.stop()
        await core.stop()
    if leaving == KEEP:
        pid = await start_in_background(data, agent.pid)
        _tell(f"The core goes on in the background (process {pid}). Stop it with: {command_line(data, 'core', 'stop')}")


def _tell(text: str) -> None:
    try:
        say(text)
    except OSError:
        sys.stdout = None  # The terminal has hung up: nobody is there to be told, even at exit.


async def start_in_background(data: DataDirectory, agent_pid: int = 0) -> int:
    """A detached core on the data directory; its process id. Agents reconnect to it, and the one of process `agent_pid`
    ends with it.

    Returns once it answers operators: a command that came sooner would start a core of its own, and keep it out.
    Raises CoreNotRunning where it doesn't come up."""
    process = await asyncio.to_thread(_spawn, data, agent_pid)
    loop = asyncio.get_running_loop()
    end = loop.time() + STARTING_S
    async with CoreClient(data.core_socket) as client:
        while process.poll() is None and loop.time() < end:
            if await answers(client):
                return process.pid
            await asyncio.sleep(POLL_S)
    raise CoreNotRunning(path=data.root)


def _spawn(data: DataDirectory, agent_pid: int) -> subprocess.Popen[bytes]:
    """Not by asyncio, whose loop kills its processes when it ends, from Python 3.12 on."""
    command = [sys.executable, "-m", "phoenix_core.cli", "core", "run", "--quiet", "--data", str(data.root)]
    return subprocess.Popen(
        [*command, "--background", "--agent-pid", str(agent_pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
