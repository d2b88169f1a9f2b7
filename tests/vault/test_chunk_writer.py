"""Writing chunks: stored once, in blocks and packs of the right sizes, and only what the vault lacks."""

import os
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault import chunkwriter
from phoenix_core.vault.block import BLOCK_CLOSE_BYTES, MAX_BLOCK_BYTES, MAX_BLOCK_CHUNKS
from phoenix_core.vault.chunkid import MAX_CHUNK_BYTES, chunk_id
from phoenix_core.vault.chunkwriter import ASK_CHUNKS, ChunkWriter
from phoenix_core.vault.errors import InvalidChunk
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packreader import check_pack, read_head, read_tail
from phoenix_core.vault.packtail import TailBlock
from phoenix_core.vault.packwriter import FinishedPack
from tests.vault.memory_vault import IDENTITY, KEYS, PUBLIC_KEY, BytesPack, MemoryVault

MIB = 2**20

chunk_sizes = st.one_of(
    st.integers(1, 300),
    st.integers(1, 300_000),
    st.sampled_from([1, MIB - 1, MIB, MIB + 1, 2 * MIB, MAX_CHUNK_BYTES - 1, MAX_CHUNK_BYTES]),
)


def blocks_of(vault: MemoryVault) -> list[TailBlock]:
    packs = vault.packs.values()
    return [block for data in packs for block in read_tail(BytesPack(data), len(data), KEYS.index_key).blocks]


def content(size: int, seed: int) -> bytes:
    """Half of it compressible, so that both codecs occur."""
    return (random.Random(seed).randbytes(size) if seed % 2 else b"%d " % seed * (size // 2 + 1))[:size]


@settings(max_examples=40, deadline=None)
@given(
    chunks=st.lists(st.tuples(chunk_sizes, st.integers(0, 5)), max_size=40),
    pack_bytes=st.sampled_from([1, 100_000, 3 * MIB, 32 * MIB]),
    kind=st.sampled_from(PackKind),
    ask_ahead=st.booleans(),
)
def test_what_is_written_reads_back_and_every_pack_is_sound(
    chunks: list[tuple[int, int]], pack_bytes: int, kind: PackKind, ask_ahead: bool
) -> None:
    vault = MemoryVault()
    data = [content(size, seed) for size, seed in chunks]
    with vault.writer(kind, pack_bytes=pack_bytes, ask_ahead=ask_ahead) as writer:
        refs = [writer.add(chunk) for chunk in data]
    assert [ref.length for ref in refs] == [len(chunk) for chunk in data]
    read = list(vault.reader(kind).read([ChunkId(ref.id) for ref in refs]))
    assert [body for _, body in read] == data
    assert [ref.id for ref in refs] == [chunk for chunk, _ in read]
    for pack_id, pack in vault.packs.items():
        assert read_head(BytesPack(pack)).kind is kind
        assert check_pack(BytesPack(pack), len(pack), pack_id, vault.pack_keys[pack_id], KEYS).ok
    distinct = set(data)
    assert writer.stats.chunks == len(data)
    assert writer.stats.raw_bytes == sum(map(len, data))
    assert writer.stats.new_chunks == len(distinct)
    assert writer.stats.new_raw_bytes == sum(map(len, distinct))
    assert writer.stats.stored_bytes == sum(map(len, vault.packs.values()))
    assert writer.stats.packs == len(vault.packs)


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(chunk_sizes, min_size=1, max_size=60), known=st.sets(st.integers(0, 59)), ask_ahead=st.booleans())
def test_blocks_close_at_a_mebibyte_and_never_pass_five(sizes: list[int], known: set[int], ask_ahead: bool) -> None:
    vault = MemoryVault()
    data = [content(size, number * 2 + 1) for number, size in enumerate(sizes)]
    with vault.writer() as earlier:
        for number, chunk in enumerate(data):
            if number in known:
                earlier.add(chunk)
    vault.packs.clear()
    with vault.writer(ask_ahead=ask_ahead) as writer:
        for chunk in data:
            writer.add(chunk)
    blocks = blocks_of(vault)
    assert all(block.raw_bytes <= MAX_BLOCK_BYTES for block in blocks)
    assert all(block.raw_bytes >= BLOCK_CLOSE_BYTES for block in blocks[:-1])
    distinct = set(data)
    stored_before = {data[number] for number in known if number < len(data)}
    assert sum(len(block.lengths) for block in blocks) == len(distinct - stored_before)


def test_many_tiny_chunks_fill_blocks_by_bytes_and_are_asked_about_in_batches() -> None:
    vault = MemoryVault()
    with vault.writer() as writer:
        for number in range(40_000):
            writer.add(
                b"a small file with the number %08d, of some hundred and ten bytes, as settings or icons have" % number
            )
    blocks = blocks_of(vault)
    assert all(BLOCK_CLOSE_BYTES <= block.raw_bytes < BLOCK_CLOSE_BYTES + 30_000 for block in blocks[:-1])
    assert max(vault.asked) == ASK_CHUNKS
    assert len(vault.packs) == 1


def test_the_number_of_chunks_in_a_block_is_bounded() -> None:
    vault = MemoryVault()
    with vault.writer() as writer:
        for number in range(MAX_BLOCK_CHUNKS + 1000):
            writer.add(number.to_bytes(4, "big"))
    assert max(len(block.lengths) for block in blocks_of(vault)) <= MAX_BLOCK_CHUNKS


def test_packs_close_at_their_size() -> None:
    vault = MemoryVault()
    with vault.writer(pack_bytes=4 * MIB) as writer:
        for number in range(40):
            writer.add(content(MIB // 2, 2 * number + 1))
    *full, last = [len(pack) for pack in vault.packs.values()]
    assert all(4 * MIB <= length < 4 * MIB + 2 * MAX_CHUNK_BYTES for length in full)
    assert last <= 4 * MIB + 2 * MAX_CHUNK_BYTES


def test_the_first_pack_may_close_earlier() -> None:
    vault = MemoryVault()
    with vault.writer(pack_bytes=8 * MIB, first_pack_bytes=2 * MIB) as writer:
        for number in range(40):
            writer.add(content(MIB // 2, 2 * number + 1))
    first, second, *_ = [len(pack) for pack in vault.packs.values()]
    assert 2 * MIB <= first < 4 * MIB
    assert 8 * MIB <= second < 8 * MIB + 2 * MAX_CHUNK_BYTES


def test_a_chunk_the_vault_has_is_not_stored_again() -> None:
    vault = MemoryVault()
    with vault.writer() as writer:
        writer.add(b"known")
    with vault.writer() as writer:
        assert writer.add(b"known").id == chunk_id(KEYS, PackKind.DATA, b"known")
    assert writer.stats.new_chunks == 0
    assert len(vault.packs) == 1


def test_a_chunk_repeated_within_a_backup_is_asked_about_once() -> None:
    vault = MemoryVault()
    with vault.writer() as writer:
        for _ in range(1000):
            writer.add(b"the same")
    assert vault.asked == [1]


def test_forgetting_old_ids_keeps_memory_bounded_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunkwriter, "SEEN_LIMIT", 100)
    vault = MemoryVault()
    with vault.writer() as writer:
        for number in range(1000):
            writer.add(b"chunk %d" % (number % 500))
        writer.flush()
        refs = [writer.add(b"chunk %d" % number) for number in range(500)]
    found = dict(vault.reader().read([ChunkId(ref.id) for ref in refs]))
    assert len(found) == 500


def test_the_source_buffer_may_be_reused_at_once() -> None:
    vault = MemoryVault()
    buffer = bytearray(10)
    with vault.writer() as writer:
        refs = []
        for number in range(10):
            buffer[:] = b"%010d" % number
            refs.append(writer.add(memoryview(buffer)))
    assert [data for _, data in vault.reader().read([ChunkId(ref.id) for ref in refs])] == [
        b"%010d" % n for n in range(10)
    ]


def test_data_and_metadata_of_equal_bytes_have_different_ids() -> None:
    vault = MemoryVault()
    assert vault.writer(PackKind.DATA).add(b"x").id != vault.writer(PackKind.META).add(b"x").id


@pytest.mark.parametrize("length", [0, MAX_CHUNK_BYTES + 1])
def test_a_chunk_of_no_bytes_or_too_many_is_refused(length: int) -> None:
    with pytest.raises(InvalidChunk):
        MemoryVault().writer().add(bytes(length))


def test_nothing_added_makes_no_pack() -> None:
    vault = MemoryVault()
    vault.writer().close()
    assert vault.packs == {}


def test_flush_stores_all_and_the_writer_goes_on() -> None:
    vault = MemoryVault()
    writer = vault.writer()
    first = writer.add(b"one")
    writer.flush()
    assert vault.reader().read_one(ChunkId(first.id)) == b"one"
    second = writer.add(b"two")
    writer.close()
    assert vault.reader().read_one(ChunkId(second.id)) == b"two"
    assert len(vault.packs) == 2


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_failing_sink_is_heard_and_no_descriptor_stays_open() -> None:
    def full(pack: FinishedPack) -> None:
        raise OSError(28, "No space left on device")

    before = open_descriptors()
    writer = ChunkWriter(PackKind.DATA, IDENTITY, KEYS, PUBLIC_KEY, lambda ids: [False] * len(ids), full)
    writer.add(b"x")
    with pytest.raises(OSError, match="No space"):
        writer.flush()
    writer.abandon()
    assert open_descriptors() == before


def test_work_that_fails_midway_leaves_no_pack_and_no_descriptor() -> None:
    vault = MemoryVault()
    before = open_descriptors()

    def work() -> None:
        with vault.writer() as writer:
            for number in range(8):
                writer.add(content(MIB, 2 * number + 1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert vault.packs == {}
    assert open_descriptors() == before


def test_an_answer_for_the_wrong_number_of_chunks_is_an_error() -> None:
    def present(ids: Sequence[ChunkId]) -> list[bool]:
        return [False]

    writer = ChunkWriter(PackKind.DATA, IDENTITY, KEYS, PUBLIC_KEY, present, lambda pack: None)
    writer.add(b"1")
    writer.add(b"2")
    with pytest.raises(ValueError, match="zip"):
        writer.flush()


def test_a_retry_seals_under_a_new_key() -> None:
    """A pack that could not be stored is not sealed again with the same key: the writer draws anew."""
    keys: set[bytes] = set()
    for _ in range(3):
        vault = MemoryVault()
        with vault.writer() as writer:
            writer.add(b"the same content")
        keys.update(vault.pack_keys.values())
    assert len(keys) == 3
