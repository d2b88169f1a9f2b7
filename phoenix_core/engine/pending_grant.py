"""The grant of a restore that runs, as far as it is found out, and those who wait for more of it."""

import asyncio
from collections.abc import Callable, Sequence

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.engine.restore_grant import Grant
from phoenix_core.vault.location import BlockRef


class PendingGrant:
    """Used from the event loop only; made there."""

    def __init__(self) -> None:
        self.steps = 0
        """Rises with each part that is added."""
        self.is_whole = False
        self._grant: Grant | None = None
        self._error: PhoenixError | None = None
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Future[None] = self._loop.create_future()

    def grew(self, grant: Grant) -> None:
        """A part was added to the grant."""
        if not self.is_whole:
            self._grant = grant
            self._tell()

    def complete(self, grant: Grant) -> None:
        """Nothing more comes."""
        self._grant, self._error, self.is_whole = grant, None, True
        self._tell()

    def fail(self, error: PhoenixError) -> None:
        """There will be no grant: who waits is told why."""
        self._error = error
        self._tell()

    def drop(self) -> None:
        """The job is over here, or the core stops: who waits is cancelled, and gets no answer."""
        self._news.cancel()

    def refused(self, blocks: Sequence[BlockRef]) -> BlockRef | None:
        """The first of these that isn't granted, by now."""
        return next((block for block in blocks if self._grant is None or not self._grant.allows(block)), None)

    async def until(self, held: Callable[[], bool], within_s: float | None = None) -> bool:
        """Wait until `held`, or the grant is whole; True where one of them is so after `within_s`. Raises what the
        grant failed with."""
        ends = None if within_s is None else self._loop.time() + within_s
        while True:
            if self._error is not None:
                raise self._error
            if self.is_whole or held():
                return True
            left = None if ends is None else ends - self._loop.time()
            if left is not None and left <= 0:
                return False
            news = self._news
            await asyncio.wait((news,), timeout=left)
            if news.cancelled():
                raise asyncio.CancelledError

    def _tell(self) -> None:
        self.steps += 1
        if not self._news.done():
            self._news.set_result(None)
            self._news = self._loop.create_future()
