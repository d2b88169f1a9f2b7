"""Holes: whole zero 4 KiB pages in runs of 64 KiB or more, cut out before chunking and never stored."""

from collections.abc import Iterable
from itertools import pairwise

from phoenix_core.vault.entry import Extent

PAGE_BYTES = 4096
MIN_HOLE_BYTES = 64 * 2**10
MAX_EXTENTS = 2**18
_ZEROS = bytes(MIN_HOLE_BYTES)
_ZERO_PAGE = bytes(PAGE_BYTES)


def data_extents(buffer: bytes | bytearray | memoryview, offset: int = 0) -> list[Extent]:
    """The runs of `buffer` that are not holes, ascending; none if all of it is a hole. `offset`, a multiple of 4 KiB,
    is where the buffer lies in the file and is added.

    Pages count from the buffer's start. A run that crosses from one buffer into the next counts in each by itself;
    `join_extents` merges what touches."""
    view = memoryview(buffer)
    extents: list[Extent] = []
    data_from = 0
    for start, end in _zero_runs(view):
        if start > data_from:
            extents.append(Extent(offset + data_from, start - data_from))
        data_from = end
    if data_from < len(view):
        extents.append(Extent(offset + data_from, len(view) - data_from))
    return extents


def join_extents(extents: Iterable[Extent], limit: int = MAX_EXTENTS) -> list[Extent]:
    """Ascending extents with touching ones merged; where there are more than `limit`, the smallest holes are filled."""
    joined: list[Extent] = []
    for extent in extents:
        if joined and joined[-1].offset + joined[-1].length == extent.offset:
            joined[-1] = Extent(joined[-1].offset, joined[-1].length + extent.length)
        else:
            joined.append(extent)
    return joined if len(joined) <= limit else _fill_smallest(joined, limit)


def _fill_smallest(extents: list[Extent], limit: int) -> list[Extent]:
    gaps = [two.offset - one.offset - one.length for one, two in pairwise(extents)]
    order = sorted(range(len(gaps)), key=lambda at: gaps[at])
    filled = set(order[: len(extents) - limit])
    out = [extents[0]]
    for at, extent in enumerate(extents[1:]):
        if at in filled:
            out[-1] = Extent(out[-1].offset, extent.offset + extent.length - out[-1].offset)
        else:
            out.append(extent)
    return out


def _zero_runs(view: memoryview) -> Iterable[tuple[int, int]]:
    """Runs of zero pages of 64 KiB or more. Any such run covers one page in sixteen: only those are looked at first."""
    pages = len(view) // PAGE_BYTES
    stride = MIN_HOLE_BYTES // PAGE_BYTES
    floor = 0
    probe = stride - 1
    while probe < pages:
        if not _is_zero(view, probe):
            probe += stride
            continue
        first = probe
        while first > floor and _is_zero(view, first - 1):
            first -= 1
        end = probe + 1
        while end + stride <= pages and _is_zero(view, end, stride):
            end += stride
        while end < pages and _is_zero(view, end):
            end += 1
        if end - first >= stride:
            yield first * PAGE_BYTES, end * PAGE_BYTES
        floor = end
        probe = end + stride


def _is_zero(view: memoryview, page: int, pages: int = 1) -> bool:
    """Comparing bytes is memcmp; comparing the view itself would go byte by byte."""
    at = page * PAGE_BYTES
    zeros = _ZERO_PAGE if pages == 1 else _ZEROS
    return not view[at] and bytes(view[at : at + pages * PAGE_BYTES]) == zeros
