"""This machine's agent as a process beside an embedded core: enrol it where needed, start it, wait for it, end it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

from phoenix_core.agent.state import AgentLock
from phoenix_core.agentlink.enrol import enrol
from phoenix_core.cli.errors import AgentStayedAway
from phoenix_core.client import CoreClient
from phoenix_core.domain.requests import ActivationTokenRequest
from phoenix_core.domain.views import ServerView
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.process import host_facts

CONNECT_S = 30.0
STOP_S = 10.0
POLL_S = 0.05


def end_agent(data: DataDirectory, pid: int) -> None:
    """Have this machine's agent end, if `pid` is still its process. Blocks."""
    if AgentLock(data.agent).holder() == pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def is_enrolled(data: DataDirectory) -> bool:
    return (data.agent / "peer.json").exists()


async def enrol_here(data: DataDirectory, client: CoreClient) -> None:
    """Enrol this machine at the core that `client` speaks to."""
    token = await client.activation_token(ActivationTokenRequest(role="agent"))
    facts = await asyncio.to_thread(host_facts)
    await enrol(
        token.token,
        data.agent,
        "agent",
        hostname=facts.hostname,
        platform=facts.platform,
        machine_id=facts.machine_id,
    )


class OwnAgent:
    """The agent's process. It has a session of its own, so that Ctrl-C reaches the command alone, and is none of the
    event loop's, which would end it with itself where the agent is to go on."""

    def __init__(self, data: DataDirectory) -> None:
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        self._process = await asyncio.to_thread(self._spawn)

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "phoenix_core.cli", "agent", "run", "--data", str(self._data.root)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    async def wait_connected(self, client: CoreClient) -> ServerView:
        """This machine as the core sees it. Raises AgentStayedAway."""
        loop = asyncio.get_running_loop()
        end = loop.time() + CONNECT_S
        while True:
            for server in await client.servers():
                if server.this_host and server.connected:
                    return server
            if loop.time() > end:
                raise AgentStayedAway(seconds=round(CONNECT_S), log=self._data.logs / "agent.log")
            await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
