"""Holes are exactly the runs of whole zero pages of 64 KiB or more."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.vault.entry import Extent
from phoenix_core.vault.holes import MIN_HOLE_BYTES, PAGE_BYTES, data_extents, join_extents

PAGES_OF_A_HOLE = MIN_HOLE_BYTES // PAGE_BYTES

runs_of_pages = st.lists(st.tuples(st.booleans(), st.integers(1, 3 * PAGES_OF_A_HOLE)), max_size=12)


def expected(data: bytes) -> list[Extent]:
    """The same by looking at every page."""
    zero = [data[at : at + PAGE_BYTES] == bytes(PAGE_BYTES) for at in range(0, len(data), PAGE_BYTES)]
    hole = [False] * len(zero)
    start = 0
    for page in range(len(zero) + 1):
        if page < len(zero) and zero[page]:
            continue
        if page - start >= PAGES_OF_A_HOLE:
            hole[start:page] = [True] * (page - start)
        start = page + 1
    pieces = [
        Extent(page * PAGE_BYTES, min(PAGE_BYTES, len(data) - page * PAGE_BYTES))
        for page, is_hole in enumerate(hole)
        if not is_hole
    ]
    return join_extents(pieces)


@settings(max_examples=200, deadline=None)
@given(runs=runs_of_pages, tail=st.integers(0, PAGE_BYTES - 1), dirty=st.integers(0, PAGE_BYTES - 1))
def test_extents_are_all_but_long_runs_of_zero_pages(runs: list[tuple[bool, int]], tail: int, dirty: int) -> None:
    page = bytearray(PAGE_BYTES)
    page[dirty] = 1
    data = b"".join((bytes(PAGE_BYTES) if is_zero else bytes(page)) * count for is_zero, count in runs) + bytes(tail)
    assert data_extents(data) == expected(data)


def test_offsets_count_from_where_the_buffer_lies() -> None:
    data = b"x" * PAGE_BYTES + bytes(MIN_HOLE_BYTES) + b"y" * 10
    assert data_extents(data, 2**40) == [
        Extent(2**40, PAGE_BYTES),
        Extent(2**40 + PAGE_BYTES + MIN_HOLE_BYTES, 10),
    ]


def test_a_run_one_page_short_is_data() -> None:
    data = b"x" + bytes(MIN_HOLE_BYTES + PAGE_BYTES - 2) + b"y"
    assert data_extents(data) == [Extent(0, len(data))]


def test_all_zeros_is_all_hole_and_nothing_is_nothing() -> None:
    assert data_extents(bytes(2**20)) == []
    assert data_extents(b"") == []


def test_touching_extents_join() -> None:
    assert join_extents([Extent(0, 5), Extent(5, 5), Extent(11, 1)]) == [Extent(0, 10), Extent(11, 1)]


def test_past_the_limit_the_smallest_holes_are_filled() -> None:
    dice = random.Random(4)
    extents, at = [], 0
    for _ in range(200):
        at += dice.randrange(1, 1000) * PAGE_BYTES
        extents.append(Extent(at, PAGE_BYTES))
        at += PAGE_BYTES
    limited = join_extents(extents, limit=50)
    covered = {at for extent in limited for at in range(extent.offset, extent.offset + extent.length, PAGE_BYTES)}
    assert len(limited) == 50
    assert all(extent.offset in covered for extent in extents)
