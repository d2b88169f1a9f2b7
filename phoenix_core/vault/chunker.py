"""Cuts streams into chunks: content-defined (FastCDC 2020) for files, fixed and aligned for disk images."""

from collections.abc import Callable, Iterator

from pyfastcdc import FastCDC

from phoenix_core.vault.chunkid import MAX_CHUNK_BYTES

WHOLE_FILE_MAX = 256 * 2**10
"""A file of at most so many bytes is one chunk."""
MIN_CHUNK_BYTES = 256 * 2**10
NORMAL_CHUNK_BYTES = 768 * 2**10
"""FastCDC's normal point counts from the minimum's skip: with 768 KiB chunks of random data average 1 MiB."""
FIXED_CHUNK_BYTES = 2**20

ReadInto = Callable[[memoryview], int]
"""Fills the start of the buffer; returns the number of bytes, 0 at the end. It may return fewer than there are."""


class Chunker:
    """Reuses one buffer from stream to stream; not thread-safe, one stream at a time."""

    def __init__(self, seed: int) -> None:
        """`seed` is `DomainKeys.chunker_seed`."""
        self._cutter = FastCDC(
            NORMAL_CHUNK_BYTES,
            min_size=MIN_CHUNK_BYTES,
            max_size=MAX_CHUNK_BYTES,
            normalized_chunking=1,
            seed=seed,
        )
        self._view = memoryview(bytearray(2 * MAX_CHUNK_BYTES))

    def cut(self, read: ReadInto) -> Iterator[memoryview]:
        """The stream's chunks in order. Each view is valid until the next is asked for. An empty stream has none."""
        filled = 0
        ended = False
        while not ended:
            while filled < len(self._view):
                count = read(self._view[filled:])
                if count <= 0:
                    ended = True
                    break
                filled += count
            done = 0
            chunks = self._cutter.cut_buf(self._view[:filled])
            # A cut depends on up to the maximum of bytes ahead: it counts only where they are there, or the end is.
            while filled - done >= MAX_CHUNK_BYTES or (ended and done < filled):
                chunk = next(chunks)
                yield chunk.data
                done += chunk.length
            self._view[: filled - done] = self._view[done:filled]
            filled -= done


class FixedCutter:
    """Cuts at multiples of 1 MiB of the file, for disk images and databases, which change in place."""

    def __init__(self) -> None:
        self._view = memoryview(bytearray(FIXED_CHUNK_BYTES))

    def cut(self, read: ReadInto, offset: int = 0) -> Iterator[memoryview]:
        """The chunks of a stream that starts `offset` bytes into the file; views valid until the next is asked for."""
        while True:
            wanted = FIXED_CHUNK_BYTES - offset % FIXED_CHUNK_BYTES
            filled = 0
            while filled < wanted:
                count = read(self._view[filled:wanted])
                if count <= 0:
                    break
                filled += count
            if filled:
                yield self._view[:filled]
                offset += filled
            if filled < wanted:
                return


def fixed_cut(read: ReadInto, offset: int = 0) -> Iterator[memoryview]:
    """`FixedCutter.cut` with a buffer of its own."""
    return FixedCutter().cut(read, offset)
