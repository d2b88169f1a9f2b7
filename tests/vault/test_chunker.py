"""Cutting: nothing lost, boundaries that content decides, sizes within their limits."""

import io
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyfastcdc import FastCDC

from phoenix_core.vault.chunker import (
    FIXED_CHUNK_BYTES,
    MIN_CHUNK_BYTES,
    WHOLE_FILE_MAX,
    Chunker,
    FixedCutter,
    fixed_cut,
)
from phoenix_core.vault.chunkid import MAX_CHUNK_BYTES

SEED = 0x1234_5678_9ABC_DEF0
MIB = 2**20
PINNED = [262678, 832973, 623763, 2555513, 1625751, 1537228, 914271, 36431]


def random_bytes(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


def in_pieces(data: bytes, piece: int) -> Callable[[memoryview], int]:
    """A reader that returns at most `piece` bytes at a time, as pipes and network file systems do."""
    stream = io.BytesIO(data)
    return lambda view: stream.readinto(view[:piece])


def lengths(data: bytes, seed: int = SEED) -> list[int]:
    return [len(chunk) for chunk in Chunker(seed).cut(io.BytesIO(data).readinto)]


@settings(max_examples=25, deadline=None)
@given(
    length=st.integers(0, 12 * MIB),
    seed=st.integers(0, 2**32),
    piece=st.sampled_from([1000, 4096, 65536, MIB, 3 * MIB + 1, 64 * MIB]),
    compressible=st.booleans(),
)
def test_chunks_joined_are_the_stream_whatever_the_reads_return(
    length: int, seed: int, piece: int, compressible: bool
) -> None:
    data = (
        random_bytes(length, seed)
        if not compressible
        else (random_bytes(70_000, seed) * (length // 70_000 + 1))[:length]
    )
    chunks = [bytes(chunk) for chunk in Chunker(SEED).cut(in_pieces(data, piece))]
    assert b"".join(chunks) == data
    assert all(MIN_CHUNK_BYTES < len(chunk) <= MAX_CHUNK_BYTES for chunk in chunks[:-1])
    assert all(len(chunk) > 0 for chunk in chunks)


@settings(max_examples=10, deadline=None)
@given(length=st.integers(0, 20 * MIB), seed=st.integers(1, 2**63 - 1))
def test_boundaries_are_those_of_fastcdc_over_the_whole_buffer(length: int, seed: int) -> None:
    data = random_bytes(length, seed)
    whole = FastCDC(768 * 1024, min_size=MIN_CHUNK_BYTES, max_size=MAX_CHUNK_BYTES, seed=seed).cut_buf(data)
    assert lengths(data, seed) == [chunk.length for chunk in whole]


def test_the_boundaries_of_a_known_stream_never_change() -> None:
    """A different cut would store every large file anew: this pins the parameters and the library."""
    assert lengths(random_bytes(8 * MIB, 7)) == PINNED


def test_chunks_of_random_data_average_one_mebibyte() -> None:
    cut = lengths(random_bytes(96 * MIB, 3))
    assert 0.85 * MIB < sum(cut) / len(cut) < 1.25 * MIB


def test_an_insertion_moves_only_the_chunks_around_it() -> None:
    data = random_bytes(24 * MIB, 5)
    changed = data[: 10 * MIB] + b"inserted" + data[10 * MIB :]
    before = {bytes(chunk) for chunk in Chunker(SEED).cut(io.BytesIO(data).readinto)}
    after = {bytes(chunk) for chunk in Chunker(SEED).cut(io.BytesIO(changed).readinto)}
    assert len(after - before) <= 3


def test_seeds_cut_differently() -> None:
    data = random_bytes(8 * MIB, 9)
    assert lengths(data, 1) != lengths(data, 2)


@pytest.mark.parametrize("length", [1, WHOLE_FILE_MAX - 1, WHOLE_FILE_MAX])
def test_a_small_file_is_one_chunk(length: int) -> None:
    assert lengths(bytes(length)) == [length]


def test_an_empty_stream_has_no_chunks() -> None:
    assert lengths(b"") == []
    assert list(fixed_cut(io.BytesIO(b"").readinto)) == []


def test_a_chunker_goes_from_stream_to_stream_even_after_one_was_left_early() -> None:
    chunker = Chunker(SEED)
    data = random_bytes(9 * MIB, 11)
    assert next(chunker.cut(io.BytesIO(random_bytes(9 * MIB, 12)).readinto))
    assert [len(chunk) for chunk in chunker.cut(io.BytesIO(data).readinto)] == lengths(data)


@settings(max_examples=25, deadline=None)
@given(offset=st.integers(0, 3 * MIB), length=st.integers(0, 4 * MIB), piece=st.sampled_from([4096, 700_001, 64 * MIB]))
def test_fixed_chunks_end_at_multiples_of_a_mebibyte_of_the_file(offset: int, length: int, piece: int) -> None:
    data = random_bytes(length, 2)
    chunks = [bytes(chunk) for chunk in FixedCutter().cut(in_pieces(data, piece), offset)]
    assert b"".join(chunks) == data
    at = offset
    for chunk in chunks[:-1]:
        at += len(chunk)
        assert at % FIXED_CHUNK_BYTES == 0
    assert all(0 < len(chunk) <= FIXED_CHUNK_BYTES for chunk in chunks)
