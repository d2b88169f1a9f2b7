"""Blocks: what was sealed comes back, and only that, only with its key, head and ordinal."""

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.vault.block import MAX_BLOCK_BYTES, NONCE, encode_block, open_block, seal_block
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.errors import BlockDamaged

KEY = bytes(range(32))
HEAD = b"a pack's head"


def sealed_block(raw: bytes, ordinal: int = 0) -> bytes:
    slot = memoryview(bytearray(b"\xff" + raw))
    return seal_block(KEY, HEAD, ordinal, encode_block(zstandard.ZstdCompressor(), slot))


def sealed_plain(plain: bytes) -> bytes:
    return AESGCM(KEY).encrypt(NONCE, plain, HEAD + bytes(4))


@settings(max_examples=100, deadline=None)
@given(raw=st.binary(min_size=1, max_size=5000), repeat=st.integers(1, 50), ordinal=st.integers(0, 2**32 - 1))
def test_a_block_opens_to_what_was_sealed(raw: bytes, repeat: int, ordinal: int) -> None:
    assert open_block(KEY, HEAD, ordinal, sealed_block(raw * repeat, ordinal)) == raw * repeat


def test_compressible_blocks_shrink_and_others_grow_by_seventeen_bytes_only() -> None:
    noise = AESGCM(KEY).encrypt(NONCE, bytes(100_000), None)
    assert len(sealed_block(bytes(100_000))) < 200
    assert len(sealed_block(noise)) == len(noise) + 17


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_flipped_bit_is_found(data: st.DataObject) -> None:
    sealed = bytearray(sealed_block(b"some bytes " * 20))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BlockDamaged):
        open_block(KEY, HEAD, 0, bytes(sealed))


@pytest.mark.parametrize("length", [0, 1, 16, 17, 30])
def test_a_cut_block_is_found(length: int) -> None:
    with pytest.raises(BlockDamaged):
        open_block(KEY, HEAD, 0, sealed_block(b"some bytes " * 20)[:length])


def test_a_block_opens_only_at_its_place() -> None:
    sealed = sealed_block(b"x" * 100, 3)
    with pytest.raises(BlockDamaged):
        open_block(KEY, HEAD, 4, sealed)
    with pytest.raises(BlockDamaged):
        open_block(KEY, HEAD + b"!", 3, sealed)
    with pytest.raises(BlockDamaged):
        open_block(bytes(32), HEAD, 3, sealed)


def test_block_keys_differ_by_ordinal_and_pack() -> None:
    keys = {block_key(pack_key, ordinal) for pack_key in (KEY, bytes(32)) for ordinal in (0, 1, 255, 256, 65536)}
    assert len(keys) == 10


def frame(raw: bytes, *, content_size: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=content_size).compress(raw)


@pytest.mark.parametrize(
    "plain",
    [
        pytest.param(b"\x02abc", id="unknown codec"),
        pytest.param(b"\x01", id="no frame"),
        pytest.param(b"\x01not zstd", id="not a frame"),
        pytest.param(b"\x01" + frame(bytes(1000))[:-3], id="frame cut off"),
        pytest.param(b"\x01" + frame(bytes(1000)) + b"x", id="bytes after the frame"),
        pytest.param(b"\x01" + frame(bytes(1000)) * 2, id="two frames"),
        pytest.param(b"\x01" + frame(bytes(1000), content_size=False), id="size not stated"),
        pytest.param(b"\x01" + frame(bytes(MAX_BLOCK_BYTES + 1)), id="a bomb"),
        pytest.param(b"\x01" + frame(b""), id="empty frame"),
    ],
)
def test_a_hostile_plain_text_is_refused_before_it_is_unpacked(plain: bytes) -> None:
    with pytest.raises(BlockDamaged):
        open_block(KEY, HEAD, 0, sealed_plain(plain))


def test_a_frame_that_lies_about_its_size_is_refused() -> None:
    honest = bytearray(frame(b"abc" * 100))
    size_at = 5  # magic (4), frame header descriptor (1), then the content size, with 256 subtracted (2)
    assert int.from_bytes(honest[size_at : size_at + 2], "little") + 256 == 300
    for claim in (0, 43, 45, 60000):
        honest[size_at : size_at + 2] = claim.to_bytes(2, "little")
        with pytest.raises(BlockDamaged):
            open_block(KEY, HEAD, 0, sealed_plain(b"\x01" + bytes(honest)))


@pytest.mark.parametrize("ordinal", [-1, 2**32, 2**63])
def test_a_block_of_a_number_that_no_pack_has_has_no_key(ordinal: int) -> None:
    with pytest.raises(BlockDamaged):
        block_key(KEY, ordinal)
