"""Asks which chunks the vault has while the next ones are collected, for a vault that takes a while to answer."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkid import MAX_CHUNK_BYTES

COLLECTED_BYTES = 4 * 2**20
COLLECTED_CHUNKS = 2048


class _Batch:
    """Chunks in a buffer of their own."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(COLLECTED_BYTES + MAX_CHUNK_BYTES))
        self.chunks: list[tuple[ChunkId, int]] = []
        self.size = 0

    def add(self, chunk: ChunkId, data: bytes | bytearray | memoryview) -> None:
        length = len(data)
        self.view[self.size : self.size + length] = data
        self.chunks.append((chunk, length))
        self.size += length

    def clear(self) -> None:
        self.chunks.clear()
        self.size = 0


class AskAhead:
    """One question at a time is under way, about all that was collected while the one before was. For one thread."""

    def __init__(
        self,
        present: Callable[[Sequence[ChunkId]], Sequence[bool]],
        keep: Callable[[ChunkId, memoryview], None],
        *,
        least_bytes: int,
        least_chunks: int,
    ) -> None:
        """`present` is called in a thread of its own; no question is about less than `least_bytes` and `least_chunks`
        until the end. `keep` takes each chunk that the vault lacks, in order; its bytes are valid until it returns."""
        self._present = present
        self._keep = keep
        self._least_bytes = least_bytes
        self._least_chunks = least_chunks
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asks ahead")
        self._collected = _Batch()
        self._asked = _Batch()
        self._answer: Future[Sequence[bool]] | None = None

    def add(self, chunk: ChunkId, data: bytes | bytearray | memoryview) -> None:
        """Raises what `present` and `keep` raise, as do the others; afterwards it is of no further use."""
        batch = self._collected
        batch.add(chunk, data)
        if batch.size < self._least_bytes and len(batch.chunks) < self._least_chunks:
            return
        is_full = batch.size >= COLLECTED_BYTES or len(batch.chunks) >= COLLECTED_CHUNKS
        if is_full or self._answer is None or self._answer.done():
            self._turn()

    def drain(self) -> None:
        """Have all that was added answered."""
        while self._collected.chunks or self._answer is not None:
            self._turn()

    def close(self) -> None:
        """A question under way is waited for."""
        self._thread.shutdown(cancel_futures=True)

    def _turn(self) -> None:
        """Wait for the answer, keep what is missing, ask about what was collected meanwhile."""
        if self._answer is not None:
            answer, self._answer = self._answer, None
            known = answer.result()
            at = 0
            for (chunk, length), is_known in zip(self._asked.chunks, known, strict=True):
                if not is_known:
                    self._keep(chunk, self._asked.view[at : at + length])
                at += length
        self._asked.clear()
        if self._collected.chunks:
            self._asked, self._collected = self._collected, self._asked
            self._answer = self._thread.submit(self._present, [chunk for chunk, _ in self._asked.chunks])
