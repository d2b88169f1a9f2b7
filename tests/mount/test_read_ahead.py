"""Reading in order runs ahead; reading here and there fetches only that."""

import os
import random

import pytest

from phoenix_core.mount.readahead import WINDOW_MAX_BYTES, ReadAhead

SIZE = 40 * 2**20
CONTENT = os.urandom(2**20) * 40


class Source:
    def __init__(self, bad_from: int = SIZE) -> None:
        self.asked: list[tuple[int, int]] = []
        self._bad_from = bad_from

    async def read(self, start: int, length: int) -> bytes:
        self.asked.append((start, length))
        if start + length > self._bad_from:
            raise OSError(5, "damaged")
        return CONTENT[start : start + length]

    @property
    def bytes(self) -> int:
        return sum(length for _, length in self.asked)


async def test_reading_to_the_end_takes_few_requests_and_nothing_twice() -> None:
    source = Source()
    file = ReadAhead(SIZE, source.read)
    step = 2**17
    for at in range(0, SIZE, step):
        assert await file.read(at, step) == CONTENT[at : at + step]
    await file.close()
    assert source.bytes == SIZE
    assert len(source.asked) < 16
    assert max(length for _, length in source.asked) == WINDOW_MAX_BYTES


async def test_a_look_at_the_head_fetches_only_the_head() -> None:
    source = Source()
    file = ReadAhead(SIZE, source.read)
    assert await file.read(0, 4096) == CONTENT[:4096]
    await file.close()
    assert source.asked == [(0, 4096)]


async def test_reads_here_and_there_fetch_only_that() -> None:
    source = Source()
    file = ReadAhead(SIZE, source.read)
    dice = random.Random(5)
    places = [dice.randrange(0, 36) * 2**20 for _ in range(20)]
    for at in places:
        assert await file.read(at, 1000) == CONTENT[at : at + 1000]
    await file.close()
    assert source.bytes <= 20 * 2**18


async def test_reads_that_come_a_little_out_of_order_are_served() -> None:
    source = Source()
    file = ReadAhead(SIZE, source.read)
    step = 2**17
    order = [each ^ 1 for each in range(SIZE // step)]
    for number in order:
        at = number * step
        assert await file.read(at, step) == CONTENT[at : at + step]
    await file.close()
    assert source.bytes < SIZE * 1.2


async def test_damage_further_on_takes_nothing_from_what_is_before_it() -> None:
    bad_from = 3 * 2**20 + 5000
    source = Source(bad_from)
    file = ReadAhead(SIZE, source.read)
    at = 0
    while at + 4096 <= bad_from:
        assert await file.read(at, 4096) == CONTENT[at : at + 4096]
        at += 4096
    with pytest.raises(OSError, match="damaged"):
        await file.read(at, 4096)
    await file.close()


async def test_the_end_of_a_file_is_its_end() -> None:
    file = ReadAhead(10, Source().read)
    assert await file.read(5, 100) == CONTENT[5:10]
    assert await file.read(10, 5) == b""
    await file.close()
