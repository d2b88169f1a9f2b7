"""Reading chunks: right bytes or an error that names the chunk, never anything else."""

from collections.abc import Sequence
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.block import MAX_SEALED_BYTES
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.errors import ChunkDamaged, ChunkMissing
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef, Location
from phoenix_core.vault.packhead import HEAD_SIZE
from tests.vault.memory_vault import KEYS, MemoryVault

MIB = 2**20


def filled(count: int = 10, size: int = 1000) -> tuple[MemoryVault, list[ChunkId]]:
    vault = MemoryVault()
    with vault.writer() as writer:
        ids = [ChunkId(writer.add((b"%d " % number * size)[:size]).id) for number in range(count)]
    return vault, ids


def test_chunks_come_in_the_order_asked_for_also_twice() -> None:
    vault, ids = filled()
    asked = [ids[3], ids[0], ids[3], ids[9]]
    assert [chunk for chunk, _ in vault.reader().read(asked)] == asked


def test_neighbours_cost_one_read() -> None:
    vault, ids = filled(500)
    list(vault.reader().read(ids))
    assert vault.opened == 1


def test_locations_and_keys_are_asked_for_in_batches() -> None:
    vault, ids = filled(600)
    located: list[int] = []
    keyed: list[int] = []

    def locate(batch: Sequence[ChunkId]) -> list[Location | None]:
        located.append(len(batch))
        return vault.locate(batch)

    def block_keys(blocks: Sequence[BlockRef]) -> list[bytes]:
        keyed.append(len(blocks))
        return vault.block_keys(blocks)

    list(ChunkReader(locate, vault.open_pack, block_keys, KEYS, PackKind.DATA).read(ids))
    assert located == [256, 256, 88]
    assert keyed == [1]


def test_the_cache_is_bounded_and_blocks_dropped_from_it_are_read_again() -> None:
    vault, ids = filled(12, MIB)
    reader = vault.reader(cache_bytes=2 * MIB)
    for _ in range(2):
        for number, (_, data) in enumerate(reader.read(ids)):
            assert data.startswith(b"%d " % number)
    assert vault.opened == 24


def test_a_chunk_no_pack_has_is_missing_and_those_before_it_come() -> None:
    vault, ids = filled(3)
    reading = vault.reader().read([ids[0], ChunkId(bytes(32)), ids[1]])
    assert next(reading)[0] == ids[0]
    with pytest.raises(ChunkMissing) as caught:
        next(reading)
    assert caught.value.fields["chunk"] == bytes(32).hex()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_anywhere_gives_an_error_or_the_right_bytes(data: st.DataObject) -> None:
    vault, ids = filled(3)
    ((pack_id, pack),) = vault.packs.items()
    changed = bytearray(pack)
    at = data.draw(st.integers(0, len(pack) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    pack_key = vault.pack_keys[pack_id]
    vault.packs[pack_id] = bytes(changed[: data.draw(st.sampled_from([len(pack), at]))])
    honest, _ = filled(3)
    expected = dict(honest.reader().read(ids))
    reader = ChunkReader(vault.locate, vault.open_pack, lambda refs: keys_of(pack_key, refs), KEYS, PackKind.DATA)
    for chunk in ids:
        with suppress(ChunkDamaged):
            assert reader.read_one(chunk) == expected[chunk]


def keys_of(pack_key: bytes, refs: Sequence[BlockRef]) -> list[bytes]:
    return [block_key(pack_key, ref.ordinal) for ref in refs]


HOSTILE_LOCATIONS = {
    "another ordinal": {"ordinal": 1},
    "another chunk's place": {"offset": 1000},
    "past the block": {"offset": 10**9},
    "longer than the block": {"length": 10**9},
    "negative offset": {"offset": -1000},
    "negative length": {"length": -1},
    "no length": {"length": 0},
    "another block offset": {"block_offset": HEAD_SIZE + 1},
    "negative block offset": {"block_offset": -1},
    "past the pack": {"block_offset": 10**12},
    "negative ordinal": {"ordinal": -1},
    "a block of terabytes": {"block_bytes": 10**12},
    "a block a little too large": {"block_bytes": MAX_SEALED_BYTES + 1},
    "a block of nothing": {"block_bytes": 0},
}


@pytest.mark.parametrize("changes", HOSTILE_LOCATIONS.values(), ids=HOSTILE_LOCATIONS.keys())
def test_a_location_that_lies_gives_damage_not_data(changes: dict[str, int]) -> None:
    vault, ids = filled(3)
    vault.places[ids[0]] = msgspec.structs.replace(vault.places[ids[0]], **changes)
    with pytest.raises(ChunkDamaged):
        vault.reader().read_one(ids[0])


def test_a_data_chunk_never_passes_for_metadata() -> None:
    vault, ids = filled(1)
    with pytest.raises(ChunkDamaged):
        vault.reader(PackKind.META).read_one(ids[0])


def test_a_wrong_block_key_is_damage() -> None:
    vault, ids = filled(1)
    reader = ChunkReader(vault.locate, vault.open_pack, lambda refs: [bytes(32)] * len(refs), KEYS, PackKind.DATA)
    with pytest.raises(ChunkDamaged):
        reader.read_one(ids[0])


def test_a_pack_swapped_for_another_is_damage() -> None:
    vault, ids = filled(1)
    other, _ = filled(2)
    vault.packs[PackId(vault.places[ids[0]].pack_id)] = next(iter(other.packs.values()))
    with pytest.raises(ChunkDamaged):
        vault.reader().read_one(ids[0])
