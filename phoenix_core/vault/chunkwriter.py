"""Takes chunks and stores those that the vault lacks: deduplicate, join to blocks, compress, seal, fill packs."""

import secrets
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import msgspec

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.askahead import AskAhead
from phoenix_core.vault.block import BLOCK_CLOSE_BYTES, MAX_BLOCK_BYTES, MAX_BLOCK_CHUNKS
from phoenix_core.vault.blockencoder import BlockEncoder, EncodedBlock
from phoenix_core.vault.chunkid import MAX_CHUNK_BYTES, keyed_id
from phoenix_core.vault.compression import DEFAULT_LEVEL
from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.entry import ChunkRef
from phoenix_core.vault.errors import InvalidChunk
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.packwriter import FinishedPack, PackWriter

PACK_CLOSE_BYTES = 32 * 2**20
ASK_BYTES = 2**20
ASK_CHUNKS = 256
SEEN_LIMIT = 2**16
STREAM_BLOCK_BYTES = 2 * 2**20
"""Of a long stream larger blocks are made, which compress better: more of it lies together."""


class WriteStats(msgspec.Struct):
    """Totals since the writer began. `new_*` count what the vault did not have; they lag until `flush`."""

    chunks: int = 0
    new_chunks: int = 0
    raw_bytes: int = 0
    new_raw_bytes: int = 0
    stored_bytes: int = 0
    """Bytes of the packs handed to the sink."""
    packs: int = 0


class ChunkWriter:
    """Writes chunks of one kind. Not thread-safe; each worker process has its own.

    Ids come back at once. A chunk counts as stored only when its pack is durable, or `present` said so: call `flush`
    before anything refers to the chunks for good. After an error the writer is of no further use."""

    def __init__(
        self,
        kind: PackKind,
        identity: PackIdentity,
        keys: DomainKeys,
        public_key: bytes,
        present: Callable[[Sequence[ChunkId]], Sequence[bool]],
        sink: Callable[[FinishedPack], None],
        level: int = DEFAULT_LEVEL,
        pack_bytes: int = PACK_CLOSE_BYTES,
        *,
        first_pack_bytes: int = 0,
        ask_ahead: bool = False,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`present` tells for a batch of ids which the vault has; with `ask_ahead` it is called in a thread of its own
        while the next chunks are collected. `sink` stores a pack durably: before it returns, or before whoever owns it
        says so; the pack's file is closed when it returns. `level` is zstd's; packs are closed at `pack_bytes` or a
        little more, the first one at `first_pack_bytes` unless that is 0."""
        self._kind = kind
        self._identity = identity
        self._keys = keys
        self._id_key = keys.id_key(kind)
        self._public_key = public_key
        self._present = present
        self._sink = sink
        self._pack_bytes = pack_bytes
        self._close_at_bytes = first_pack_bytes or pack_bytes
        self._random_bytes = random_bytes
        self._encoder = BlockEncoder(level)
        self._block_bytes = BLOCK_CLOSE_BYTES
        self._ahead: AskAhead | None = None
        if ask_ahead:
            self._ahead = AskAhead(present, self._keep, least_bytes=ASK_BYTES, least_chunks=ASK_CHUNKS)
        # One byte for the codec, the chunks known to be new, then those not yet asked about.
        self._view = self._encoder.slot()
        self._new: list[tuple[ChunkId, int]] = []
        self._new_bytes = 0
        self._unasked: list[tuple[ChunkId, int]] = []
        self._unasked_bytes = 0
        self._seen: set[ChunkId] = set()
        self._seen_before: set[ChunkId] = set()
        self._pack: PackWriter | None = None
        self.stats = WriteStats()

    def one_stream(self, *, is_all: bool) -> None:
        """Whether what comes now is one long stream, beside which there is little else to do; from the start not."""
        self._encoder.in_threads = is_all
        self._block_bytes = STREAM_BLOCK_BYTES if is_all else BLOCK_CLOSE_BYTES

    def add(self, data: bytes | bytearray | memoryview) -> ChunkRef:
        """Store a chunk of 1 byte to 4 MiB, unless the vault has it; `data` may be reused afterwards.

        Raises `InvalidChunk`, and what `present` and `sink` raise."""
        length = len(data)
        if not 0 < length <= MAX_CHUNK_BYTES:
            raise InvalidChunk(length=length, limit=MAX_CHUNK_BYTES)
        chunk = keyed_id(self._id_key, data)
        self.stats.chunks += 1
        self.stats.raw_bytes += length
        if self._saw(chunk):
            return ChunkRef(chunk, length)
        if self._ahead is not None:
            self._ahead.add(chunk, data)
            return ChunkRef(chunk, length)
        if self._new_bytes + self._unasked_bytes + length > MAX_BLOCK_BYTES:
            self._ask()
            self._make_room(length)
        at = 1 + self._new_bytes + self._unasked_bytes
        self._view[at : at + length] = data
        self._unasked.append((chunk, length))
        self._unasked_bytes += length
        if self._unasked_bytes >= ASK_BYTES or len(self._unasked) >= ASK_CHUNKS:
            self._ask()
        return ChunkRef(chunk, length)

    def flush(self) -> None:
        """Hand everything added so far to the sink, in a last pack that may be small."""
        self._ask()
        if self._ahead is not None:
            self._ahead.drain()
        self._close_block()
        for block in self._encoder.drain():
            self._put(block)
        self._close_pack()

    def close(self) -> None:
        """`flush`, then let go of the buffers."""
        self.flush()
        self._release()

    def abandon(self) -> None:
        """Let go of the buffers without storing what is in them; for when the work failed."""
        if self._pack is not None:
            self._pack.abandon()
            self._pack = None
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _saw(self, chunk: ChunkId) -> bool:
        """Whether this writer met the chunk; remembers it. Memory is bounded: the older half is forgotten."""
        if chunk in self._seen or chunk in self._seen_before:
            return True
        if len(self._seen) >= SEEN_LIMIT:
            self._seen_before, self._seen = self._seen, set()
        self._seen.add(chunk)
        return False

    def _ask(self) -> None:
        """Ask which of the collected chunks are there, keep the others, close the block if it is full."""
        if self._unasked:
            known = self._present([chunk for chunk, _ in self._unasked])
            read = write = 1 + self._new_bytes
            for (chunk, length), is_known in zip(self._unasked, known, strict=True):
                if not is_known:
                    if read != write:
                        self._view[write : write + length] = self._view[read : read + length]
                    self._new.append((chunk, length))
                    self._new_bytes += length
                    write += length
                read += length
            self._unasked.clear()
            self._unasked_bytes = 0
        self._close_if_full()

    def _keep(self, chunk: ChunkId, data: memoryview) -> None:
        """A chunk that the vault lacks, into the block."""
        self._make_room(len(data))
        at = 1 + self._new_bytes
        self._view[at : at + len(data)] = data
        self._new.append((chunk, len(data)))
        self._new_bytes += len(data)
        self._close_if_full()

    def _make_room(self, length: int) -> None:
        if self._new_bytes + length > MAX_BLOCK_BYTES:
            self._close_block()

    def _close_if_full(self) -> None:
        if self._new_bytes >= self._block_bytes or len(self._new) + ASK_CHUNKS > MAX_BLOCK_CHUNKS:
            self._close_block()

    def _close_block(self) -> None:
        """Have the block compressed while the next one is filled; put those that are into the pack, in order."""
        if not self._new:
            return
        self.stats.new_chunks += len(self._new)
        self.stats.new_raw_bytes += self._new_bytes
        done = self._encoder.encode(self._new_bytes, self._new)
        self._new = []
        self._new_bytes = 0
        for block in done:
            self._put(block)
        self._view = self._encoder.slot()

    def _put(self, block: EncodedBlock) -> None:
        if self._pack is None:
            self._pack = PackWriter(
                self._kind, self._identity, self._keys, self._public_key, random_bytes=self._random_bytes
            )
        ids = [chunk for chunk, _ in block.chunks]
        self._pack.add_block(ids, [length for _, length in block.chunks], block.plain)
        self._encoder.give_back(block)
        if self._pack.size >= self._close_at_bytes:
            self._close_at_bytes = self._pack_bytes
            self._close_pack()

    def _close_pack(self) -> None:
        if self._pack is None:
            return
        writer, self._pack = self._pack, None
        with writer.finish() as pack:
            self._sink(pack)
            self.stats.stored_bytes += pack.length
            self.stats.packs += 1

    def _release(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
        self._encoder.close()
        self._seen.clear()
        self._seen_before.clear()
