"""A thousand agents on one machine: real links over real TLS to a core that is a process of its own, quick backups."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

from phoenix_core.client import CoreClient
from phoenix_core.domain.requests import ActivationTokenRequest
from phoenix_core.host.process import raise_open_files_limit
from tests.e2e.rig import Machine
from tests.engine.fake_agent import FakeAgent

OPEN_FILES_EACH = 8
"""Of this process, for each agent: its link, its journal, and what a backup opens."""
AT_ONCE = 50
"""So many come to the core at the same time."""
WAIT_S = 120.0


class Fleet:
    def __init__(self, here: Machine, count: int) -> None:
        """`here`: a machine with a vault, whose core runs. Raises OSError where this process may not open enough."""
        self.here = here
        self.names = [f"server-{number:04d}" for number in range(count)]
        self.agents: dict[str, FakeAgent] = {}
        allowed = raise_open_files_limit()
        if allowed < count * OPEN_FILES_EACH:
            raise OSError(f"{count} agents need {count * OPEN_FILES_EACH} open files; this process may have {allowed}")

    async def enrol(self) -> None:
        async def one(name: str) -> None:
            token = await client.activation_token(ActivationTokenRequest(name=name))
            agent = FakeAgent(self.here.folder / "agents" / name)
            agent.files = {"/srv/name": name.encode() * 100}
            await agent.enrol(token.token)
            self.agents[name] = agent

        async with CoreClient(self.here.socket) as client:
            await self._each(one)

    async def connect(self) -> None:
        async def one(name: str) -> None:
            await self.agents[name].start()

        await self._each(one)
        async with CoreClient(self.here.socket) as client, asyncio.timeout(WAIT_S):
            while not all(server.connected for server in await client.servers()):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.2)

    async def disconnect(self) -> None:
        async def one(name: str) -> None:
            if name in self.agents:
                await self.agents[name].stop()

        await self._each(one)

    async def _each(self, work: Callable[[str], Coroutine[None, None, None]]) -> None:
        for at in range(0, len(self.names), AT_ONCE):
            async with asyncio.TaskGroup() as tasks:
                for name in self.names[at : at + AT_ONCE]:
                    tasks.create_task(work(name), name=f"agent {name}")


@asynccontextmanager
async def fleet(here: Machine, count: int) -> AsyncIterator[Fleet]:
    """Enrolled agents, none of them connected; their links end with the block."""
    made = Fleet(here, count)
    try:
        await made.enrol()
        yield made
    finally:
        await made.disconnect()
