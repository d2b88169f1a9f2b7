"""A command's way to a core: the one that runs on the data directory, else one embedded for the command's duration."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from phoenix_core.cli.errors import CoreNotRunning
from phoenix_core.client import CoreClient, CoreUnreachable
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.errors import DataDirectoryInUse

STARTING_S = 15.0
"""A core that holds the data directory but doesn't answer yet is given so long."""


@asynccontextmanager
async def attached(data: DataDirectory, *, embed: bool = True, agent: bool = False) -> AsyncIterator[CoreClient]:
    """A client of the core. `agent`: an embedded core gets this machine's agent beside it, if it is enrolled.

    Raises DataDirectoryMissing, CoreNotRunning where none runs and `embed` is false, and what a core's start raises."""
    await asyncio.to_thread(data.require)
    async with AsyncExitStack() as stack:
        client = CoreClient(data.core_socket)
        stack.push_async_callback(client.close)
        if not await answers(client):
            if not embed:
                raise CoreNotRunning(path=data.root)
            await _embed(stack, data, client, agent=agent)
        yield client


async def answers(client: CoreClient) -> bool:
    try:
        await client.status()
    except CoreUnreachable:
        return False
    return True


async def _embed(stack: AsyncExitStack, data: DataDirectory, client: CoreClient, *, agent: bool) -> None:
    from phoenix_core.cli.embedded import EmbeddedCore
    from phoenix_core.cli.ownagent import OwnAgent, is_enrolled

    core = EmbeddedCore(data)
    try:
        await core.start()
    except DataDirectoryInUse:
        if not await _comes_up(client):
            raise
        return
    stack.push_async_callback(core.stop)
    if agent and is_enrolled(data):
        own = OwnAgent(data)
        await own.start()
        stack.push_async_callback(own.stop)
        await own.wait_connected(client)


async def _comes_up(client: CoreClient) -> bool:
    """Whether the core of another process that is starting answers in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + STARTING_S
    while loop.time() < end:
        if await answers(client):
            return True
        await asyncio.sleep(0.1)
    return False
