"""How files are cut, pinned by two files and checked against the rules of docs/internals/vault-format.md in a second
implementation: page by page, chunk by chunk, with no code of the product but the library that does FastCDC."""

import os
import random
from itertools import groupby
from pathlib import Path

import pytest
from pyfastcdc import FastCDC

from phoenix_core.agent.backup.contentwindows import COARSE_EXTENTS, FULL_EXTENTS
from phoenix_core.agent.backup.filereader import FileReader
from phoenix_core.agent.backup.records import ReadItem
from phoenix_core.domain.patterns import Patterns
from phoenix_core.storage.snapshots import MAX_SNAPSHOT_BYTES
from phoenix_core.vault.entry import ChunkRef, Entry
from phoenix_core.vault.entrycheck import MAX_TARGET_BYTES

SEED = 0x1234_5678_9ABC_DEF0
KIB, MIB, PAGE = 2**10, 2**20, 4096
Runs = list[tuple[int, int]]


def golden_file() -> bytes:
    """Data but for: 128 KiB of zeros in the first MiB; 80 KiB across the end of the second one, 40 in each; 64 KiB up
    to the end of the third and 64 from there on; 68 KiB that begin in the middle of a page; at the end 100,000."""
    data = bytearray(random.Random(14).randbytes(6 * MIB + 300_000))
    for at, length in (
        (100 * KIB, 128 * KIB),
        (2 * MIB - 40 * KIB, 80 * KIB),
        (3 * MIB - 64 * KIB, 128 * KIB),
        (4 * MIB + 200 * KIB + 2048, 68 * KIB),
        (5 * MIB, MIB),
        (6 * MIB + 200_000, 100_000),
    ):
        data[at : at + length] = bytes(length)
    return bytes(data)


EXTENTS = [
    (0, 102_400),
    (233_472, 2_846_720),
    (3_211_264, 1_191_936),
    (4_468_736, 774_144),
    (6_291_456, 200_704),
    (6_590_464, 992),
]
CUT_BY_CONTENT = [829_864, 789_014, 1_681_790, 1_143_994, 672_234]
CUT_AT_OFFSETS = [917_504, 1_048_576, 983_040, 983_040, 983_040, 201_696]


def cut(path: Path, *patterns: str) -> Entry:
    def add(data: memoryview) -> ChunkRef:
        return ChunkRef(bytes(32), len(data))

    reader = FileReader(add, SEED, Patterns(patterns))
    try:
        entry = reader.read(ReadItem(os.fsencode(path.parent), os.fsencode(path.name), path.stat().st_size)).entry
    finally:
        reader.close()
    assert entry is not None
    return entry


def extents_of(entry: Entry) -> Runs:
    if entry.extents is None:
        return [(0, entry.size)]
    return [(extent.offset, extent.length) for extent in entry.extents]


def lengths_of(entry: Entry) -> list[int]:
    return [ref.length for ref in entry.chunks]


def runs_of_window(data: bytes, start: int) -> Runs:
    """The data of a window: all but runs of 16 or more whole pages of zeros."""
    window = data[start : start + MIB]
    pages = [window[at : at + PAGE] for at in range(0, len(window), PAGE)]
    runs: Runs = []
    at = start
    for is_zero, group in groupby(pages, key=lambda page: page == bytes(PAGE)):
        found = list(group)
        length = sum(map(len, found))
        if not is_zero or len(found) < 16:
            runs.append((at, length))
        at += length
    return joined(runs)


def joined(runs: Runs) -> Runs:
    out: Runs = []
    for at, length in runs:
        if out and sum(out[-1]) == at:
            out[-1] = (out[-1][0], out[-1][1] + length)
        else:
            out.append((at, length))
    return out


def by_the_rules(data: bytes, *, fixed: bool) -> tuple[Runs, list[int]]:
    windows = [runs_of_window(data, start) for start in range(0, len(data), MIB)]
    runs = joined([run for window in windows for run in window])
    if fixed or len(data) <= 256 * KIB:
        lengths = [sum(length for _, length in window) for window in windows]
        return runs, [length for length in lengths if length]
    stream = b"".join(data[at : at + length] for at, length in runs)
    cutter = FastCDC(768 * KIB, min_size=256 * KIB, max_size=4 * MIB, normalized_chunking=1, seed=SEED)
    return runs, [chunk.length for chunk in cutter.cut_buf(stream)]


def test_a_known_file_is_cut_as_ever(tmp_path: Path) -> None:
    """By content, and at fixed offsets. Else everything like it would be stored anew."""
    for name in ("a", "b.img"):
        (tmp_path / name).write_bytes(golden_file())
    by_content, at_offsets = cut(tmp_path / "a", "*.img"), cut(tmp_path / "b.img", "*.img")
    assert extents_of(by_content) == extents_of(at_offsets) == EXTENTS
    assert lengths_of(by_content) == CUT_BY_CONTENT
    assert lengths_of(at_offsets) == CUT_AT_OFFSETS


def test_the_documented_limits_are_those_of_the_code() -> None:
    """What happens at them is in test_parts."""
    assert (COARSE_EXTENTS, FULL_EXTENTS) == (131_072, 196_608)
    assert (MAX_TARGET_BYTES, MAX_SNAPSHOT_BYTES) == (65_536, 2**28)


@pytest.mark.parametrize("patterns", [(), ("*",)])
def test_the_rules_cut_the_same(tmp_path: Path, patterns: tuple[str, ...]) -> None:
    whole = golden_file()
    small = bytes(70 * KIB) + b"x" + bytes(120 * KIB)
    for data in (whole, whole[: 5 * MIB], whole[MIB : MIB + 256 * KIB + 1], small, small[:64], bytes(70_000)):
        (tmp_path / "file").write_bytes(data)
        entry = cut(tmp_path / "file", *patterns)
        assert (extents_of(entry), lengths_of(entry)) == by_the_rules(data, fixed=bool(patterns))
