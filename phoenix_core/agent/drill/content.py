"""Whether a restored file holds, byte for byte, what the snapshot says of it.

The bytes are read back from the disk and cut as the snapshot cuts them; each piece must hash to its keyed id, and what
lies between the extents must be zeros. Nothing of the restore's own work is relied on.
"""

import errno
import os
from collections.abc import Callable, Iterable
from itertools import pairwise

from phoenix_core.vault.chunkid import keyed_id
from phoenix_core.vault.entry import ChunkRef, Entry, Extent

READ_BYTES = 1 << 20
_NOWHERE = 2**63


def content_fault(fd: int, entry: Entry, chunks: Iterable[ChunkRef], id_key: bytes, tick: Callable[[int], None]) -> str:
    """What is wrong with the open file; empty: nothing. `chunks`: the entry's, from its list where that is long.
    `tick` is told each number of bytes that were read; what it raises ends the check. Raises OSError."""
    size = os.fstat(fd).st_size
    if size != entry.size:
        return f"it has {size} bytes instead of {entry.size}"
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # so that the disk is asked, not the cache
    extents = (Extent(0, size),) if entry.extents is None and size else entry.extents or ()
    data = _Data(fd, extents)
    for chunk in chunks:
        at = data.at
        piece = data.take(chunk.length)
        if len(piece) != chunk.length or keyed_id(id_key, piece) != chunk.id:
            return f"its bytes are not those of the snapshot, from byte {at} on"
        tick(len(piece))
    if data.is_left:
        return f"the snapshot doesn't tell its bytes from {data.at} on"
    return _hole_fault(fd, extents, size)


class _Data:
    """The bytes of a file's extents, one after the other."""

    def __init__(self, fd: int, extents: Iterable[Extent]) -> None:
        self._fd = fd
        self._left = [(extent.offset, extent.length) for extent in reversed(list(extents))]

    @property
    def at(self) -> int:
        return self._left[-1][0] if self._left else 0

    @property
    def is_left(self) -> bool:
        return bool(self._left)

    def take(self, length: int) -> bytes:
        """Fewer where they end."""
        found = bytearray()
        while len(found) < length and self._left:
            offset, left = self._left.pop()
            wanted = min(left, length - len(found))
            piece = os.pread(self._fd, wanted, offset)
            if not piece:
                break
            found += piece
            if len(piece) < left:
                self._left.append((offset + len(piece), left - len(piece)))
        return bytes(found)


def _hole_fault(fd: int, extents: Iterable[Extent], size: int) -> str:
    """Between the extents there must be nothing but zeros."""
    ends = [(0, 0), *((extent.offset, extent.offset + extent.length) for extent in extents), (size, size)]
    for (_, begin), (end, _) in pairwise(ends):
        at = _next_data(fd, begin) if begin < end else end
        while at < end:
            piece = os.pread(fd, min(READ_BYTES, end - at), at)
            if piece.strip(b"\0"):
                return f"it has data where the snapshot has a hole, from byte {at} on"
            if not piece:
                break
            at = _next_data(fd, at + len(piece))
    return ""


def _next_data(fd: int, at: int) -> int:
    """Where data begins, at or after `at`; far beyond any file's end where there is none."""
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return _NOWHERE
        if error.errno == errno.EINVAL:
            return at
        raise
