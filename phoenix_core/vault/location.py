"""Where a chunk lies, and the narrow interfaces through which packs are read."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from phoenix_core.domain.ids import ChunkId, PackId

Id32 = Annotated[bytes, Meta(min_length=32, max_length=32)]


class Location(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Where one copy of a chunk lies."""

    pack_id: Id32
    ordinal: int
    """The block's number in its pack, from 0."""
    block_offset: int
    """Where the sealed block starts in the pack, bytes."""
    block_bytes: int
    """Length of the sealed block in the pack."""
    offset: int
    """Where the chunk starts in the block's plain bytes."""
    length: int
    """The chunk's plain length."""


class BlockRef(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Names one block of one pack."""

    pack_id: bytes
    ordinal: int


class OpenPack(Protocol):
    """A pack open for reading at any offset."""

    def pread(self, length: int, offset: int) -> bytes: ...


Locate = Callable[[Sequence[ChunkId]], list[Location | None]]
OpenPackForReading = Callable[[PackId], AbstractContextManager[OpenPack]]
BlockKeys = Callable[[Sequence[BlockRef]], Sequence[bytes]]
"""Gives one 32-byte key per block, in order."""
