"""A block's key: BLAKE3 keyed with its pack's random key over the block's ordinal."""

from blake3 import blake3

from phoenix_core.vault.errors import BlockDamaged

ORDINALS = 2**32


def block_key(pack_key: bytes, ordinal: int) -> bytes:
    """32 bytes; tells nothing about the pack key or any other block's key. `ordinal` counts from 0. Raises
    `BlockDamaged` for one that no block has."""
    if not 0 <= ordinal < ORDINALS:
        raise BlockDamaged(ordinal=ordinal, detail="no pack has so many")
    return blake3(ordinal.to_bytes(4, "little"), key=pack_key).digest()
