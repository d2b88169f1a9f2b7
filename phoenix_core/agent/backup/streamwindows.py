"""What a program prints, in windows of 1 MiB with the holes cut out: as for a file, but without a known size."""

from collections.abc import Callable

from phoenix_core.agent.backup.contentwindows import ContentWindows
from phoenix_core.vault.chunker import ReadInto

ENDLESS = 2**62


class StreamWindows(ContentWindows):
    """One stream. `length` is that of the stream once it has ended."""

    def __init__(self, read: ReadInto, tick: Callable[[int], None] = lambda count: None) -> None:
        super().__init__(tick)
        self._take = read
        self._begin(ENDLESS, sparse=False)

    def _read(self, into: memoryview, at: int) -> int:
        del at  # a stream goes one way
        return self._take(into)

    def _next_data(self, at: int) -> int | None:
        return None
