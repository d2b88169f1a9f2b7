"""Waits for a storage node that is away, where giving up would leave things half done."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from phoenix_core.engine.workflow import JobRun
from phoenix_core.storage.errors import StorageBusy, StorageUnreachable

T = TypeVar("T")

PATIENCE_S = 120.0
AGAIN_S = 0.5


async def once_it_answers(run: JobRun, work: Callable[[], Awaitable[T]], meanwhile: str) -> T:
    """Do work that can be repeated, again and again until the node answers. `meanwhile`: what the job's log says of the
    wait. Raises StorageUnreachable or StorageBusy once the patience is over, and whatever else the work raises."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + PATIENCE_S
    told = False
    while True:
        try:
            return await work()
        except (StorageUnreachable, StorageBusy) as error:
            if loop.time() >= end_s:
                raise
            if not told:
                await run.note(f"{error.message} {meanwhile}", "warning")
                told = True
        run.check()
        await asyncio.sleep(AGAIN_S)
