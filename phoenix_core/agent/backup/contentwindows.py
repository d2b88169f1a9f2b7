"""Reads a file in windows of 1 MiB, aligned, with the holes cut out: what is left is what gets chunked.

Where the holes are is decided by content alone (runs of zero pages), so equal files have equal chunks however they are
allocated; what the file system says of holes only saves reading them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from phoenix_core.vault.entry import Extent
from phoenix_core.vault.holes import MAX_EXTENTS, MIN_HOLE_BYTES, data_extents, join_extents

WINDOW_BYTES = 2**20
COARSE_EXTENTS = MAX_EXTENTS // 2
"""With more extents than these only whole windows are holes; with half as many again nothing is."""
FULL_EXTENTS = COARSE_EXTENTS + COARSE_EXTENTS // 2


class ContentWindows(ABC):
    """One file at a time; reuses its buffer. Not thread-safe. How bytes are read is a system's own."""

    def __init__(self, tick: Callable[[int], None] = lambda count: None) -> None:
        """`tick` is told the bytes of each window that was read."""
        self._buffer = memoryview(bytearray(WINDOW_BYTES))
        self._tick = tick
        self._at = 0
        self._extents: list[Extent] = []
        self._sparse = False
        self._rest = self._buffer[:0]
        self.length = 0
        """Bytes of the file that the windows stand for; less than the size given at first if it shrank meanwhile."""
        self.read_bytes = 0

    def _begin(self, length: int, *, sparse: bool) -> None:
        """`sparse`: it may be worth asking for the next data."""
        self._at = 0
        self._extents = []
        self._sparse = sparse
        self._rest = self._buffer[:0]
        self.length = length
        self.read_bytes = 0

    @abstractmethod
    def _read(self, into: memoryview, at: int) -> int:
        """How many bytes came; 0 at the end."""

    @abstractmethod
    def _next_data(self, at: int) -> int | None:
        """Where the next data lies, at this offset or after it; None where that can't be known. At the end of the file
        or beyond: nothing follows, and the file ends there."""

    def next(self) -> memoryview | None:
        """The data of the next window that holds any, good until the next call; None at the end. Raises what reading
        does."""
        while self._at < self.length:
            if self._sparse and len(self._extents) < FULL_EXTENTS and self._skip_hole():
                continue
            start = self._at
            filled = self._fill(min(WINDOW_BYTES, self.length - start))
            self._tick(filled)
            if not filled:
                break
            kept = self._cut(start, filled)
            if kept:
                return self._buffer[:kept]
        return None

    def read_into(self, view: memoryview) -> int:
        """The same as a stream, for a chunker: fills the start of `view`, 0 at the end."""
        if not self._rest:
            self._rest = self.next() or self._buffer[:0]
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    @property
    def extents(self) -> tuple[Extent, ...] | None:
        """Where the data lies; None: everywhere."""
        if not self.length:
            return None
        if len(self._extents) == 1 and self._extents[0].length == self.length:
            return None
        return tuple(join_extents(self._extents))

    def _skip_hole(self) -> bool:
        """Go on to the window with the next data, if this one has none."""
        data = self._next_data(self._at)
        if data is None:
            self._sparse = False
            return False
        window = min(data // WINDOW_BYTES * WINDOW_BYTES, self.length)
        if data >= self.length:
            window = self.length
        if window <= self._at:
            return False
        self._at = window
        return True

    def _fill(self, wanted: int) -> int:
        filled = 0
        while filled < wanted:
            count = self._read(self._buffer[filled:wanted], self._at + filled)
            if count == 0:
                self.length = self._at + filled
                break
            filled += count
        self._at += filled
        self.read_bytes += filled
        return filled

    def _cut(self, start: int, filled: int) -> int:
        """Move the window's data together; returns how much there is."""
        if filled < MIN_HOLE_BYTES or len(self._extents) >= FULL_EXTENTS:
            extents = [Extent(start, filled)]
        else:
            extents = data_extents(self._buffer[:filled], start)
            if extents and len(self._extents) >= COARSE_EXTENTS:
                extents = [Extent(start, filled)]
        kept = 0
        for extent in extents:
            at = extent.offset - start
            if at != kept:
                self._buffer[kept : kept + extent.length] = self._buffer[at : at + extent.length]
            kept += extent.length
        self._add(extents)
        return kept

    def _add(self, extents: list[Extent]) -> None:
        """Joined as they come, so that a file without holes has one."""
        for extent in extents:
            last = self._extents[-1] if self._extents else None
            if last is not None and last.offset + last.length == extent.offset:
                self._extents[-1] = Extent(last.offset, last.length + extent.length)
            else:
                self._extents.append(extent)
