"""A core inside a console or a command, in a thread with an event loop of its own: a terminal that stops reading
(Ctrl-S, a stalled SSH connection) holds up whoever writes to it, and must not hold up the core."""

import asyncio
import threading
from concurrent.futures import Future

from phoenix_core.cli.corehost import start_core
from phoenix_core.host.datadir import DataDirectory


class EmbeddedCore:
    """`start`, then `stop`; an instance runs once. Speak to the core through its socket."""

    def __init__(self, data: DataDirectory) -> None:
        self._data = data
        self._started: Future[None] = Future()
        self._stop: Future[None] = Future()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="core")

    async def start(self) -> None:
        """Returns when the core answers. Raises what a core's start raises."""
        self._thread.start()
        try:
            await asyncio.shield(asyncio.wrap_future(self._started))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Returns when the core has ended. Raises what kept it from ending well."""
        if not self._stop.done():
            self._stop.set_result(None)
        await asyncio.to_thread(self._thread.join)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # raised again by `stop`, in the thread that waits for it
            self._failure = error

    async def _serve(self) -> None:
        try:
            core = await start_core(self._data, embedded=True)
        except BaseException as error:  # raised again by `start`
            self._started.set_exception(error)
            return
        try:
            self._started.set_result(None)
            await asyncio.wrap_future(self._stop)
        finally:
            await core.stop()
