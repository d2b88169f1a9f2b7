"""Reads a file in windows of 1 MiB, aligned, with the holes cut out: what is left is what gets chunked.

Where the holes are is decided by content alone (runs of zero pages), so equal files have equal chunks however they are
allocated; what the file system says of holes only saves reading them.
"""

import errno
import os
from collections.abc import Callable

from phoenix_core.agent.backup.pagecache import CacheKeeper
from phoenix_core.vault.entry import Extent
from phoenix_core.vault.holes import MAX_EXTENTS, MIN_HOLE_BYTES, data_extents, join_extents

WINDOW_BYTES = 2**20
COARSE_EXTENTS = MAX_EXTENTS // 2
"""With more extents than these only whole windows are holes; with half as many again nothing is."""
FULL_EXTENTS = COARSE_EXTENTS + COARSE_EXTENTS // 2


class Windows:
    """One file at a time; reuses its buffer. Not thread-safe."""

    def __init__(self, tick: Callable[[int], None] = lambda count: None) -> None:
        """`tick` is told the bytes of each window that was read."""
        self._buffer = memoryview(bytearray(WINDOW_BYTES))
        self._tick = tick
        self._cache = CacheKeeper()
        self._fd = -1
        self._at = 0
        self._extents: list[Extent] = []
        self._sparse = False
        self._rest = self._buffer[:0]
        self.length = 0
        """Bytes of the file that the windows stand for; less than the size given to `begin` if it shrank meanwhile."""
        self.read_bytes = 0

    def begin(self, fd: int, status: os.stat_result) -> None:
        """Start with an open file; what it grows beyond its size of now is left out."""
        self._fd = fd
        self._at = 0
        self._extents = []
        self._sparse = status.st_blocks * 512 < status.st_size
        self._rest = self._buffer[:0]
        self.length = status.st_size
        self.read_bytes = 0
        self._cache.begin(fd, status)

    def finish(self) -> None:
        """Before the file is closed: what reading it brought into the page cache leaves it."""
        self._cache.finish()

    def next(self) -> memoryview | None:
        """The data of the next window that holds any, good until the next call; None at the end. Raises OSError."""
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
        try:
            data = os.lseek(self._fd, self._at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                self.length = max(self._at, min(self.length, os.fstat(self._fd).st_size))
                self._at = self.length
                return True
            if error.errno == errno.EINVAL:
                self._sparse = False
                return False
            raise
        window = min(data // WINDOW_BYTES * WINDOW_BYTES, self.length)
        if window <= self._at:
            return False
        self._at = window
        return True

    def _fill(self, wanted: int) -> int:
        filled = 0
        while filled < wanted:
            count = self._cache.read(self._buffer[filled:wanted], self._at + filled)
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
