"""Blocks are compressed in threads for as long as one stream is all there is to do, and come back in order."""

from collections.abc import Iterator

import pytest

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.blockencoder import THREADS, BlockEncoder


@pytest.fixture
def encoder() -> Iterator[BlockEncoder]:
    made = BlockEncoder(3)
    yield made
    made.close()


def encode(encoder: BlockEncoder, number: int) -> list[int]:
    """The numbers of the blocks that come back."""
    encoder.slot()[1:1001] = bytes(1000)
    done = encoder.encode(1000, [(ChunkId(bytes(32)), number)])
    numbers = [block.chunks[0][1] for block in done]
    for block in done:
        encoder.give_back(block)
    return numbers


def test_small_files_after_a_long_stream_are_compressed_at_once_and_after_what_was_begun(encoder: BlockEncoder) -> None:
    assert encode(encoder, 0) == [0]
    encoder.in_threads = True
    begun = [encode(encoder, number) for number in range(1, 6)]
    assert begun == [[]] * THREADS + [[number] for number in range(1, 6 - THREADS)]
    encoder.in_threads = False
    assert encode(encoder, 6) == [*range(6 - THREADS, 6), 6]
    assert encode(encoder, 7) == [7]
    assert not list(encoder.drain())


def test_what_was_begun_in_threads_comes_back_at_the_end(encoder: BlockEncoder) -> None:
    encoder.in_threads = True
    assert [number for each in range(4) for number in encode(encoder, each)] == [*range(4 - THREADS)]
    assert [block.chunks[0][1] for block in encoder.drain()] == [*range(4 - THREADS, 4)]
