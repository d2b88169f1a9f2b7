"""A pack's tail and footer: which blocks and chunks it holds, readable with the domain's index key only.

    tail plain text = MessagePack array [version 1, BLAKE3 of all bytes before the tail, [block, …]]
    block = [offset in the pack, sealed bytes, raw bytes, chunk ids joined (32 bytes each), [chunk length, …]]
    tail = AES-256-GCM of it under the tail key, nonce twelve zero bytes, associated data the pack's whole head
    footer = length of the tail (4 bytes), version 1 (2), zero (2), magic "PHNXTAIL" (8); integers little-endian

Blocks follow the head and each other without gaps. The tail key is BLAKE3 `derive_key` over the domain's index key and
the pack's random id; a random id is used for one pack, so the key seals one message.
"""

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

import msgspec
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.block import BLOCK_OVERHEAD, MAX_BLOCK_BYTES, MAX_SEALED_BYTES, NONCE
from phoenix_core.vault.chunkid import CHUNK_ID_BYTES, MAX_CHUNK_BYTES
from phoenix_core.vault.errors import PackDamaged, UnknownVersion
from phoenix_core.vault.malformed import MALFORMED
from phoenix_core.vault.packhead import HEAD_SIZE

TAIL_KEY_CONTEXT = "phoenix vault v1: pack tail key"
FOOTER_MAGIC = b"PHNXTAIL"
VERSION = 1
_FOOTER = struct.Struct("<IHH8s")
FOOTER_SIZE = _FOOTER.size
TAIL_OVERHEAD = 16
MAX_TAIL_BYTES = 64 * 2**20

ChunkLength = Annotated[int, Meta(ge=1, le=MAX_CHUNK_BYTES)]


class TailBlock(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One block as the tail lists it."""

    offset: Annotated[int, Meta(ge=HEAD_SIZE)]
    """Where the sealed block starts in the pack, bytes."""
    sealed_bytes: Annotated[int, Meta(ge=BLOCK_OVERHEAD + 1, le=MAX_SEALED_BYTES)]
    raw_bytes: Annotated[int, Meta(ge=1, le=MAX_BLOCK_BYTES)]
    ids: bytes
    """The chunks' ids, 32 bytes each, joined."""
    lengths: tuple[ChunkLength, ...]

    def chunks(self) -> Iterator[tuple[ChunkId, int, int]]:
        """Each chunk's id, its offset in the block's raw bytes, and its length."""
        ids, offset = self.ids, 0
        for number, length in enumerate(self.lengths):
            yield ChunkId(ids[number * CHUNK_ID_BYTES : (number + 1) * CHUNK_ID_BYTES]), offset, length
            offset += length


class PackTail(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    body_hash: Annotated[bytes, Meta(min_length=32, max_length=32)]
    """BLAKE3 of all bytes before the tail."""
    blocks: tuple[TailBlock, ...]

    @property
    def chunk_count(self) -> int:
        return sum(len(block.lengths) for block in self.blocks)

    @property
    def body_end(self) -> int:
        """Where the tail starts in the pack, bytes."""
        return self.blocks[-1].offset + self.blocks[-1].sealed_bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(PackTail)


def tail_key(index_key: bytes, random_id: bytes) -> bytes:
    """The key under which the tail of the pack with this random id is sealed, 32 bytes."""
    return blake3(index_key + random_id, derive_key_context=TAIL_KEY_CONTEXT).digest()


def seal_tail(tail: PackTail, index_key: bytes, random_id: bytes, head: bytes) -> bytes:
    """Tail and footer: the last bytes of the pack. `head` is all of the head's bytes."""
    sealed = AESGCM(tail_key(index_key, random_id)).encrypt(NONCE, _encoder.encode(tail), head)
    return sealed + _FOOTER.pack(len(sealed), VERSION, 0, FOOTER_MAGIC)


def parse_footer(footer: bytes, pack_length: int) -> int:
    """The tail's length, bytes. Raises `PackDamaged` if it can't be, given the pack's length; or `UnknownVersion`."""
    if len(footer) != FOOTER_SIZE:
        raise PackDamaged(detail="its footer is cut off")
    length, version, zero, magic = _FOOTER.unpack(footer)
    if magic != FOOTER_MAGIC or zero:
        raise PackDamaged(detail="it does not end as a pack does")
    if version != VERSION:
        raise UnknownVersion(what="pack's tail", version=version)
    if not TAIL_OVERHEAD < length <= min(MAX_TAIL_BYTES, pack_length - HEAD_SIZE - FOOTER_SIZE):
        raise PackDamaged(detail=f"its tail claims {length} bytes")
    return int(length)


def open_tail(sealed: bytes, index_key: bytes, random_id: bytes, head: bytes) -> PackTail:
    """The tail without footer, opened and checked to be consistent in itself. Raises `PackDamaged`."""
    try:
        plain = AESGCM(tail_key(index_key, random_id)).decrypt(NONCE, sealed, head)
    except (InvalidTag, ValueError) as error:
        raise PackDamaged(detail="the seal of its tail does not hold") from error
    try:
        tail = _decoder.decode(plain)
    except MALFORMED as error:
        raise PackDamaged(detail="its tail is malformed") from error
    if tail.version != VERSION:
        raise UnknownVersion(what="pack's tail", version=tail.version)
    _check_layout(tail)
    return tail


def _check_layout(tail: PackTail) -> None:
    blocks = tail.blocks
    gapless = blocks and blocks[0].offset == HEAD_SIZE
    gapless = gapless and all(one.offset + one.sealed_bytes == two.offset for one, two in pairwise(blocks))
    if not gapless:
        raise PackDamaged(detail="the blocks that its tail lists do not join")
    for block in blocks:
        if len(block.ids) != CHUNK_ID_BYTES * len(block.lengths) or sum(block.lengths) != block.raw_bytes:
            raise PackDamaged(detail="the chunks that its tail lists do not fill their block")
