"""Reads packs: head, tail, and for a proof every block and chunk."""

from collections.abc import Iterable, Iterator

import msgspec
from blake3 import blake3

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.block import open_block
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.chunkid import keyed_id
from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.errors import BlockDamaged, PackDamaged
from phoenix_core.vault.location import OpenPack
from phoenix_core.vault.packhead import HEAD_SIZE, PackHead, parse_head
from phoenix_core.vault.packtail import FOOTER_SIZE, PackTail, TailBlock, open_tail, parse_footer

_END_READ_BYTES = 64 * 2**10


def read_head_bytes(pack: OpenPack) -> bytes:
    """The head's 1,288 bytes, unparsed: associated data of the blocks and the tail. Raises `PackDamaged`."""
    data = pack.pread(HEAD_SIZE, 0)
    if len(data) != HEAD_SIZE:
        raise PackDamaged(detail=f"its head has {len(data)} bytes instead of {HEAD_SIZE}")
    return data


def read_head(pack: OpenPack) -> PackHead:
    """Raises `PackDamaged` or `UnknownVersion`."""
    return parse_head(read_head_bytes(pack))


def read_tail(pack: OpenPack, length: int, index_key: bytes) -> PackTail:
    """The tail of a pack of `length` bytes, by its domain's index key. Raises `PackDamaged`, `UnknownVersion`."""
    head = read_head_bytes(pack)
    return parse_tail(head, read_sealed_tail(pack, length), index_key, length)


def read_sealed_tail(pack: OpenPack, length: int) -> bytes:
    """Tail without footer, still sealed; with the head's bytes all that an index needs. Raises `PackDamaged`."""
    if length < HEAD_SIZE + FOOTER_SIZE:
        raise PackDamaged(detail=f"it has only {length} bytes")
    start = max(HEAD_SIZE, length - _END_READ_BYTES)
    end = pack.pread(length - start, start)
    if len(end) != length - start:
        raise PackDamaged(detail="it is cut off")
    tail_bytes = parse_footer(end[-FOOTER_SIZE:], length)
    if tail_bytes + FOOTER_SIZE <= len(end):
        return end[-FOOTER_SIZE - tail_bytes : -FOOTER_SIZE]
    sealed = pack.pread(tail_bytes, length - FOOTER_SIZE - tail_bytes)
    if len(sealed) != tail_bytes:
        raise PackDamaged(detail="it is cut off")
    return sealed


def parse_tail(head: bytes, sealed_tail: bytes, index_key: bytes, length: int) -> PackTail:
    """The tail of a pack of `length` bytes from its head's bytes and its sealed tail. Raises `PackDamaged`."""
    tail = open_tail(sealed_tail, index_key, parse_head(head).random_id, head)
    if tail.body_end + len(sealed_tail) + FOOTER_SIZE != length:
        raise PackDamaged(detail="its length is not what its tail says")
    return tail


class PackCheck(msgspec.Struct, frozen=True):
    """What reading a whole pack found."""

    tail: PackTail
    name_matches: bool
    """The pack's bytes hash to its name."""
    body_matches: bool
    """The bytes before the tail hash to what the tail says."""
    chunks: int
    damaged_chunks: tuple[ChunkId, ...]

    @property
    def ok(self) -> bool:
        return self.name_matches and self.body_matches and not self.damaged_chunks


def check_pack(pack: OpenPack, length: int, pack_id: PackId, pack_key: bytes, keys: DomainKeys) -> PackCheck:
    """Read every byte of a pack of `length` bytes, open every block, hash every chunk anew.

    Head or tail unreadable raises `PackDamaged`; damage beyond them is in the result, so that each chunk can be named.
    Memory: one block."""
    head_bytes = read_head_bytes(pack)
    head = parse_head(head_bytes)
    sealed_tail = read_sealed_tail(pack, length)
    tail = parse_tail(head_bytes, sealed_tail, keys.index_key, length)
    id_key = keys.id_key(head.kind)
    whole = blake3(head_bytes)
    damaged: list[ChunkId] = []
    for ordinal, block in enumerate(tail.blocks):
        sealed = pack.pread(block.sealed_bytes, block.offset)
        whole.update(sealed)
        try:
            raw: bytes | None = _open(pack_key, head_bytes, ordinal, block, sealed)
        except BlockDamaged:
            raw = None
        damaged += _damaged_chunks(block, raw, id_key)
    body_matches = whole.digest() == tail.body_hash
    whole.update(pack.pread(length - tail.body_end, tail.body_end))
    return PackCheck(tail, whole.digest() == pack_id, body_matches, tail.chunk_count, tuple(damaged))


def read_blocks(pack: OpenPack, head: bytes, tail: PackTail, pack_key: bytes) -> Iterator[tuple[TailBlock, bytes]]:
    """Every block with its raw bytes; for a rewrite. Raises `BlockDamaged`."""
    for ordinal, block in enumerate(tail.blocks):
        sealed = pack.pread(block.sealed_bytes, block.offset)
        yield block, _open(pack_key, head, ordinal, block, sealed)


def whole_chunks(
    pack: OpenPack, head: bytes, pack_key: bytes, blocks: Iterable[TailBlock], id_key: bytes
) -> Iterator[tuple[ChunkId, bytes]]:
    """Of these blocks every chunk that hashes to its id, whatever else of the pack is damaged."""
    for ordinal, block in enumerate(blocks):
        sealed = pack.pread(block.sealed_bytes, block.offset)
        try:
            raw = open_block(block_key(pack_key, ordinal), head, ordinal, sealed)
        except BlockDamaged:
            continue
        for chunk, offset, length in block.chunks():
            data = raw[offset : offset + length]
            if keyed_id(id_key, data) == chunk:
                yield chunk, data


def _open(pack_key: bytes, head: bytes, ordinal: int, block: TailBlock, sealed: bytes) -> bytes:
    raw = open_block(block_key(pack_key, ordinal), head, ordinal, sealed)
    if len(raw) != block.raw_bytes:
        raise BlockDamaged(ordinal=ordinal, detail=f"it has {len(raw)} raw bytes instead of {block.raw_bytes}")
    return raw


def _damaged_chunks(block: TailBlock, raw: bytes | None, id_key: bytes) -> list[ChunkId]:
    if raw is None:
        return [chunk for chunk, _, _ in block.chunks()]
    view = memoryview(raw)
    return [
        chunk for chunk, offset, length in block.chunks() if keyed_id(id_key, view[offset : offset + length]) != chunk
    ]
