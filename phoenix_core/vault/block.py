"""A block: chunks of one kind, joined, compressed as one and sealed as one.

    sealed block = AES-256-GCM( codec byte | payload )     16 bytes longer than its plain text
    codec 0: payload is the joined chunks; codec 1: payload is one zstd frame of them that states its content size

Key: `blockkeys.block_key`. Each key seals exactly one message, so the nonce is fixed: twelve zero bytes. Associated
data: the pack's whole head, then the ordinal as four bytes, little-endian.
"""

import threading

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from phoenix_core.vault.errors import BlockDamaged

BLOCK_CLOSE_BYTES = 2**20
"""A block with this many raw bytes or more is closed."""
MAX_BLOCK_BYTES = 5 * 2**20
"""No block has more raw bytes."""
MAX_BLOCK_CHUNKS = 16384
BLOCK_OVERHEAD = 1 + 16
MAX_SEALED_BYTES = MAX_BLOCK_BYTES + BLOCK_OVERHEAD
CODEC_RAW = 0
CODEC_ZSTD = 1
NONCE = bytes(12)
_MAX_WINDOW_BYTES = 8 * 2**20
_of_thread = threading.local()


def encode_block(compressor: zstandard.ZstdCompressor, slot: memoryview) -> bytes | memoryview:
    """The plain text to seal. `slot` is one byte to be used as codec byte, then the raw bytes, compressed if that is
    smaller."""
    compressed = compressor.compress(slot[1:])
    if len(compressed) < len(slot) - 1:
        return b"\x01" + compressed
    slot[0] = CODEC_RAW
    return slot


def seal_block(key: bytes, head: bytes, ordinal: int, plain: bytes | memoryview) -> bytes:
    """Seal what `encode_block` returned. A pack key seals an ordinal once; a retry takes a new pack key."""
    return AESGCM(key).encrypt(NONCE, plain, head + ordinal.to_bytes(4, "little"))


def open_block(key: bytes, head: bytes, ordinal: int, sealed: bytes) -> bytes:
    """The raw bytes: the chunks, joined. Raises `BlockDamaged`; never allocates more than `MAX_BLOCK_BYTES`."""
    return bytes(view_block(key, head, ordinal, sealed))


def view_block(key: bytes, head: bytes, ordinal: int, sealed: bytes) -> bytes | memoryview:
    """As `open_block`; what wasn't compressed is not copied."""
    if not BLOCK_OVERHEAD < len(sealed) <= MAX_SEALED_BYTES:
        raise BlockDamaged(ordinal=ordinal, detail=f"it has {len(sealed)} bytes")
    try:
        plain = AESGCM(key).decrypt(NONCE, sealed, head + ordinal.to_bytes(4, "little"))
    except (InvalidTag, ValueError) as error:
        raise BlockDamaged(ordinal=ordinal, detail="its seal does not hold") from error
    if plain[0] == CODEC_RAW:
        return memoryview(plain)[1:]
    if plain[0] == CODEC_ZSTD:
        return _decompress(memoryview(plain)[1:], ordinal)
    raise BlockDamaged(ordinal=ordinal, detail=f"its codec {plain[0]} is unknown")


def _decompress(frame: memoryview, ordinal: int) -> bytes:
    try:
        size = zstandard.get_frame_parameters(frame).content_size
        if not 0 < size <= MAX_BLOCK_BYTES:
            raise BlockDamaged(ordinal=ordinal, detail=f"it claims {size} raw bytes")
        return _decompressor().decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise BlockDamaged(ordinal=ordinal, detail="its compressed bytes are malformed") from error


def _decompressor() -> zstandard.ZstdDecompressor:
    """This thread's: making one costs a third of opening a block."""
    found: zstandard.ZstdDecompressor | None = getattr(_of_thread, "decompressor", None)
    if found is None:
        found = _of_thread.decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
    return found
