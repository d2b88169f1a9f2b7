"""Commands, with all their words, on a core in another thread of this process, whose agents are a test's to script."""

import asyncio
import logging
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog

from tests.cli.commands import Commands
from tests.engine.rig import Rig, running_rig

T = TypeVar("T")
WAIT_S = 60.0


class Beside(Commands):
    """`rig` is that core and its agents; what touches them is run where they live, by `do`."""

    rig: Rig

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._began: Future[tuple[Rig, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    def backed_up(self, *words: str) -> str:
        """The id of the snapshot that `backup` with these words made."""
        snapshot: str = self.json("backup", *words)["snapshot_id"]
        return snapshot

    def begin_core(self) -> None:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="core beside the test")
        self._thread.start()
        self.rig, self._loop, self._end = self._began.result(WAIT_S)

    def end_core(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(WAIT_S)

    async def _live(self) -> None:
        try:
            async with running_rig(self.root) as rig:
                end = asyncio.Event()
                self._began.set_result((rig, asyncio.get_running_loop(), end))
                await end.wait()
        except Exception as error:
            if self._began.done():
                raise
            self._began.set_exception(error)


@contextmanager
def commands_beside(root: Path) -> Iterator[Beside]:
    """Nothing that the core logs gets between what the commands print."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    made = Beside(root)
    made.begin_core()
    try:
        yield made
    finally:
        made.end_core()
        structlog.configure(**before)
