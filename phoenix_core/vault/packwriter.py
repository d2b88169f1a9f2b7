"""Writes one pack: head, sealed blocks, tail, footer, into a memfd (memory without a path) or a temporary file."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from blake3 import blake3

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.block import seal_block
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.chunkid import CHUNK_ID_BYTES
from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import (
    PACK_KEY_BYTES,
    RANDOM_ID_BYTES,
    PackHead,
    PackIdentity,
    seal_head,
)
from phoenix_core.vault.packtail import FOOTER_SIZE, TAIL_OVERHEAD, VERSION, PackTail, TailBlock, seal_tail

_TAIL_BYTES_PER_CHUNK = CHUNK_ID_BYTES + 5
_TAIL_BYTES_PER_BLOCK = 24


class FinishedPack:
    """A complete pack. `fd` holds it from offset 0 and is closed by `close`, which the chunk writer calls once its sink
    has returned; a sink that goes on using it later takes `os.dup(pack.fd)`."""

    def __init__(
        self, pack_id: PackId, fd: int, length: int, *, pack_key: bytes, head: PackHead, tail: PackTail
    ) -> None:
        self.pack_id = pack_id
        self.fd = fd
        self.length = length
        """Bytes."""
        self.pack_key = pack_key
        self.head = head
        self.tail = tail

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class PackWriter:
    """Takes encoded blocks in order. Every writer draws its own pack key and random id: nothing is sealed twice."""

    def __init__(
        self,
        kind: PackKind,
        identity: PackIdentity,
        keys: DomainKeys,
        public_key: bytes,
        *,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`random_bytes` is a parameter for golden files only. Raises `InvalidName`, `VaultError`."""
        self._index_key = keys.index_key
        self._pack_key = random_bytes(PACK_KEY_BYTES)
        clear = PackHead(
            kind=kind,
            vault_id=identity.vault_id,
            server_id=identity.server_id,
            domain=keys.domain,
            epoch=keys.epoch,
            random_id=random_bytes(RANDOM_ID_BYTES),
        )
        self._head = seal_head(clear, self._pack_key, public_key)
        self._head_bytes = self._head.encode()
        self._blocks: list[TailBlock] = []
        self._tail_estimate = TAIL_OVERHEAD + FOOTER_SIZE + 64
        self._hasher = blake3()
        self._offset = 0
        self._fd = _new_file()
        self._append(self._head_bytes)

    @property
    def size(self) -> int:
        """Bytes that the pack would have if it were finished now, rounded up a little."""
        return self._offset + self._tail_estimate

    @property
    def empty(self) -> bool:
        return not self._blocks

    def add_block(self, ids: Sequence[ChunkId], lengths: Sequence[int], plain: bytes | memoryview) -> int:
        """Seal and append a block that `encode_block` made of these chunks. Returns the sealed length, bytes."""
        ordinal = len(self._blocks)
        sealed = seal_block(block_key(self._pack_key, ordinal), self._head_bytes, ordinal, plain)
        block = TailBlock(self._offset, len(sealed), sum(lengths), b"".join(ids), tuple(lengths))
        self._append(sealed)
        self._blocks.append(block)
        self._tail_estimate += len(ids) * _TAIL_BYTES_PER_CHUNK + _TAIL_BYTES_PER_BLOCK
        return len(sealed)

    def finish(self) -> FinishedPack:
        """Write tail and footer. The writer is of no further use; the file now belongs to the finished pack."""
        tail = PackTail(VERSION, self._hasher.digest(), tuple(self._blocks))
        self._append(seal_tail(tail, self._index_key, self._head.random_id, self._head_bytes))
        fd, self._fd = self._fd, -1
        pack_id = PackId(self._hasher.digest())
        return FinishedPack(pack_id, fd, self._offset, pack_key=self._pack_key, head=self._head, tail=tail)

    def abandon(self) -> None:
        """Give the memory back without a pack; for when the work failed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append(self, data: bytes) -> None:
        self._hasher.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._offset += len(data)


def _new_file() -> int:
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):  # a sandbox may forbid it
            return os.memfd_create("phoenix-pack", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile(prefix="phoenix-pack-") as file:
        return os.dup(file.fileno())
