"""Compresses blocks: at once, or in threads while their writer fills the next one.

Compression is most of a backup's work. Threads serve where one stream is all there is to do; where each of several
processes has small files, they would only take turns.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.block import MAX_BLOCK_BYTES, encode_block
from phoenix_core.vault.compression import compressor

THREADS = 2
"""Blocks that are compressed at the same moment; each holds a buffer of 5 MiB."""
Chunks = Sequence[tuple[ChunkId, int]]


@dataclass(frozen=True, slots=True)
class EncodedBlock:
    chunks: Chunks
    """Ids and lengths of its chunks, in order."""
    plain: bytes | memoryview
    """What is to be sealed; may lie in the block's slot."""
    slot: "_Slot"


class _Slot:
    """A buffer with a compressor of its own, which works for one block at a time."""

    def __init__(self, level: int) -> None:
        self.view = memoryview(bytearray(1 + MAX_BLOCK_BYTES))
        self._compressor = compressor(level)

    def encode(self, raw_bytes: int) -> bytes | memoryview:
        return encode_block(self._compressor, self.view[: 1 + raw_bytes])


class BlockEncoder:
    """For one thread, which fills a `slot`, hands it to `encode` and takes the next one. Blocks come back in order."""

    def __init__(self, level: int) -> None:
        self.in_threads = False
        """How the blocks that come are compressed."""
        self._level = level
        self._free: list[_Slot] = []
        self._filling: _Slot | None = None
        self._begun: deque[tuple[Chunks, _Slot, Future[bytes | memoryview]]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def slot(self) -> memoryview:
        """Room for a block: a byte for the codec, then `MAX_BLOCK_BYTES`; until the next `encode`."""
        if self._filling is None:
            self._filling = self._free.pop() if self._free else _Slot(self._level)
        return self._filling.view

    def encode(self, raw_bytes: int, chunks: Chunks) -> list[EncodedBlock]:
        """Begin with what was filled into the slot. The blocks that are to be put away now, in order."""
        slot, self._filling = self._filling, None
        assert slot is not None
        if not self.in_threads:
            return [*self.drain(), EncodedBlock(chunks, slot.encode(raw_bytes), slot)]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="compress")
        self._begun.append((chunks, slot, self._pool.submit(slot.encode, raw_bytes)))
        return [self._next()] if len(self._begun) > THREADS else []

    def give_back(self, block: EncodedBlock) -> None:
        """The block was put away: its slot is free."""
        self._free.append(block.slot)

    def drain(self) -> Iterator[EncodedBlock]:
        """The blocks begun, in order."""
        while self._begun:
            yield self._next()

    def close(self) -> None:
        """Wait for what was begun, and let go of the buffers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        self._begun.clear()
        self._free.clear()
        self._filling = None

    def _next(self) -> EncodedBlock:
        chunks, slot, future = self._begun.popleft()
        return EncodedBlock(chunks, future.result(), slot)
