"""The chunk index answers like a dictionary would, grows by itself, and says what mends it when it is broken."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.vault import environment, places
from phoenix_core.vault import index as index_module
from phoenix_core.vault.environment import DATA_FILE, Environment, Txn
from phoenix_core.vault.errors import IndexOnNetworkFileSystem
from phoenix_core.vault.index import VaultIndex
from phoenix_core.vault.index_errors import IndexDamaged, IndexMissing
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.packtotals import Totals
from tests.storage.index_rig import VAULT, add, chunk, everywhere, info, make, pack_id, remove, tail

packs_of_chunks = st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(packs=packs_of_chunks, gone=st.sets(st.integers(0, 7)), searched=st.booleans())
def test_it_knows_every_copy_of_every_chunk_that_was_added_and_not_removed(
    packs: list[list[int]], gone: set[int], searched: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    index = make(tmp_path_factory.mktemp("index"), map_bytes=1 << 20)
    for number, chunks in enumerate(packs):
        assert add(index, number, chunks)
    for number in gone & set(range(len(packs))):
        remove(index, number, None if searched else tail(packs[number]))
    left = {number: chunks for number, chunks in enumerate(packs) if number not in gone}
    for number in range(13):
        found = index.locate_all([chunk(number)], everywhere)[0]
        expected = [pack_id(one) for one, chunks in left.items() for held in chunks if held == number]
        assert sorted(place.pack_id for place in found) == sorted(expected)
        assert (index.locate([chunk(number)], everywhere)[0] is not None) == bool(expected)
    assert index.totals().packs == len(left) == len(list(index.packs()))
    assert index.totals().bytes == sum(1000 + number for number in left)
    assert index.copies() == sum(len(chunks) for chunks in left.values())
    index.environment.close()


def test_a_place_says_block_and_offset(tmp_path: Path) -> None:
    index = make(tmp_path)
    add(index, 0, [1, 2, 3])
    place = index.locate([chunk(2)], everywhere)[0]
    assert place is not None
    assert (place.ordinal, place.block_offset, place.block_bytes, place.offset, place.length) == (0, 2000, 100, 7, 7)
    third = index.locate([chunk(3)], everywhere)[0]
    assert third is not None
    assert (third.ordinal, third.offset) == (1, 0)


def test_the_better_ranked_copy_is_named(tmp_path: Path) -> None:
    index = make(tmp_path)
    add(index, 0, [1])
    add(index, 1, [1])
    better = index.locate([chunk(1)], lambda found: 0 if found.pack_id == pack_id(1) else 1)[0]
    assert better is not None
    assert better.pack_id == pack_id(1)
    assert index.locate([chunk(1)], lambda _: -1) == [None]


def test_a_pack_is_entered_once(tmp_path: Path) -> None:
    index = make(tmp_path)
    assert add(index, 0, [1, 2])
    assert not add(index, 0, [1, 2])
    assert index.copies() == 2
    assert index.totals() == Totals(packs=1, bytes=1000, unproved=1, unread=1)


def test_totals_follow_states(tmp_path: Path) -> None:
    index = make(tmp_path)
    add(index, 0, [1])
    add(index, 1, [2])
    index.environment.write(lambda txn: index.change(txn, pack_id(0), state=PackState.LOST, proved=True))
    index.environment.write(lambda txn: index.change(txn, pack_id(1), state=PackState.CONDEMNED))
    assert index.totals() == Totals(packs=2, bytes=2001, unproved=1, condemned=1, damaged=1)


def test_the_map_grows_when_it_is_full(tmp_path: Path) -> None:
    index = make(tmp_path, map_bytes=1 << 20)
    before = index.environment.map_bytes()
    for number in range(40):
        add(index, number, list(range(number * 1000, number * 1000 + 1000)))
    assert index.environment.map_bytes() > before
    assert index.copies() == 40_000
    assert None not in index.locate([chunk(number) for number in range(0, 40_000, 97)], everywhere)


def test_readers_go_on_while_the_map_grows(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    index = make(tmp_path, map_bytes=1 << 20)
    add(index, 0, [1])

    def look(_: int) -> bool:
        return all(index.locate([chunk(1)], everywhere)[0] is not None for _ in range(50))

    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(look, range(40))
        for number in range(1, 30):
            add(index, number, list(range(number * 1000, number * 1000 + 1000)))
        assert all(answers)


def test_a_map_that_another_process_grew_is_adopted(tmp_path: Path) -> None:
    import subprocess
    import sys

    index = make(tmp_path, map_bytes=1 << 20)
    add(index, 0, [1])
    other = f"""
import lmdb
env = lmdb.open({str(tmp_path)!r}, map_size=1 << 26, max_dbs=32)
chunks = env.open_db(b"about")
with env.begin(write=True) as txn:
    for number in range(20000):
        txn.put(b"filler%d" % number, b"x" * 200, db=chunks)
"""
    subprocess.run([sys.executable, "-c", other], check=True)
    assert index.locate([chunk(1)], everywhere)[0] is not None
    assert add(index, 1, [2])


def test_a_missing_index_names_the_way_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing) as raised:
        Environment(tmp_path / "none")
    assert "phoenix vault rebuild-index" in raised.value.what_to_do


def test_an_index_full_of_rubbish_is_named_damaged(tmp_path: Path) -> None:
    make(tmp_path).environment.close()
    (tmp_path / DATA_FILE).write_bytes(b"rubbish!" * 4096)
    with pytest.raises(IndexDamaged) as raised:
        Environment(tmp_path)
    assert "phoenix vault rebuild-index" in raised.value.what_to_do


@pytest.mark.parametrize("kept", [0, 1000, 4096, 0.5, 0.9])
def test_a_truncated_index_is_named_damaged_and_kills_nobody(kept: float, tmp_path: Path) -> None:
    index = make(tmp_path)
    for number in range(20):
        add(index, number, list(range(number * 1000, number * 1000 + 1000)))
    index.environment.close()
    data = tmp_path / DATA_FILE
    size = int(kept) if kept >= 1 or kept == 0 else int(data.stat().st_size * kept)
    with data.open("r+b") as file:
        file.truncate(size)
    with pytest.raises((IndexDamaged, IndexMissing)):
        VaultIndex(Environment(tmp_path)).begin(VAULT)


def test_a_full_check_finds_flipped_bytes(tmp_path: Path) -> None:
    index = make(tmp_path)
    for number in range(20):
        add(index, number, list(range(number * 1000, number * 1000 + 1000)))
    index.environment.close()
    data = tmp_path / DATA_FILE
    content = bytearray(data.read_bytes())
    for page in range(3, len(content) // 4096):
        content[page * 4096 + 10] ^= 0xFF
    data.write_bytes(content)
    with pytest.raises(IndexDamaged):
        Environment(tmp_path, check=True)


def test_an_index_of_another_vault_is_refused(tmp_path: Path) -> None:
    make(tmp_path).environment.close()
    with pytest.raises(IndexDamaged, match="vault"):
        VaultIndex(Environment(tmp_path)).begin("11" * 16)


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "network_kind", lambda _: "nfs")
    with pytest.raises(IndexOnNetworkFileSystem, match="nfs"):
        Environment(tmp_path, create=True)


def test_a_pack_whose_last_transaction_fails_is_not_in(tmp_path: Path) -> None:
    index = make(tmp_path)

    def fail(txn: Txn, added: PackInfo) -> None:
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError):
        index.add([(info(0), tail([1]).blocks)], fail)
    assert index.locate([chunk(1)], everywhere) == [None]
    assert index.totals() == Totals()


class TestInPieces:
    """Packs of more places than go into one transaction."""

    @pytest.fixture(autouse=True)
    def small_pieces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(places, "PIECE_ROWS", 3)
        monkeypatch.setattr(index_module, "PIECE_ROWS", 3)

    def cut_off(self, index: VaultIndex, number: int, chunks: list[int]) -> None:
        def die(txn: Txn, added: PackInfo) -> None:
            raise RuntimeError("cut off")

        with pytest.raises(RuntimeError):
            index.add([(info(number, chunks=len(chunks)), tail(chunks).blocks)], die)

    def test_all_chunks_of_several_packs_are_found(self, tmp_path: Path) -> None:
        index = make(tmp_path)
        assert add(index, 0, [1, 2])
        several = [(info(number), tail(list(range(number, number + 10))).blocks) for number in (0, 1, 2)]
        assert index.add(several) == [False, True, True]
        found = index.locate_all([chunk(number) for number in (1, 2, 10, 11, 12)], everywhere)
        assert [[place.pack_id for place in copies] for copies in found] == [
            [pack_id(0), pack_id(1)],
            [pack_id(0), pack_id(1), pack_id(2)],
            [pack_id(1), pack_id(2)],
            [pack_id(2)],
            [],
        ]

    def test_a_pack_half_entered_counts_for_nothing_and_goes_at_the_next_start(self, tmp_path: Path) -> None:
        index = make(tmp_path)
        add(index, 0, [2])
        self.cut_off(index, 1, [1, 2, 3, 4, 5, 6, 7])
        assert index.copies() > 1
        assert index.present([chunk(1), chunk(2)], lambda _: True) == [None, pack_id(0)]
        assert index.locate_all([chunk(1)], everywhere) == [[]]
        index.begin(VAULT)
        assert index.copies() == 1
        assert add(index, 1, [1, 2, 3, 4, 5, 6, 7])
        assert index.present([chunk(7)], lambda _: True) == [pack_id(1)]

    def test_a_pack_that_is_refused_in_the_end_leaves_nothing(self, tmp_path: Path) -> None:
        index = make(tmp_path)
        add(index, 0, [2])

        def refuse(txn: Txn, added: PackInfo) -> None:
            raise IndexMissing(folder=tmp_path)

        with pytest.raises(IndexMissing):
            index.add([(info(1, chunks=7), tail([1, 2, 3, 4, 5, 6, 7]).blocks)], refuse)
        assert index.copies() == 1
        assert index.present([chunk(1), chunk(2)], lambda _: True) == [None, pack_id(0)]

    @pytest.mark.parametrize("searched", [True, False])
    def test_a_removal_that_was_cut_off_is_finished_at_the_next_start(
        self, searched: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        index = make(tmp_path)
        chunks = [1, 2, 3, 4, 5, 6, 7]
        add(index, 0, chunks)
        add(index, 1, [7])

        def die(*_: object, **__: object) -> None:
            raise RuntimeError("cut off")

        with monkeypatch.context() as patch:
            patch.setattr(index._places, "take_out", die)
            with pytest.raises(RuntimeError):
                remove(index, 0, None if searched else tail(chunks))
        assert index.pack(pack_id(0)) is None
        assert index.locate([chunk(1)], everywhere) == [None]
        index.begin(VAULT)
        assert index.copies() == 1
        assert index.present([chunk(7)], lambda _: True) == [pack_id(1)]

    def test_blocks_are_listed_as_the_tail_listed_them(self, tmp_path: Path) -> None:
        index = make(tmp_path)
        add(index, 0, [5, 1, 9, 3, 7])
        add(index, 1, [5])
        assert index.blocks_in([pack_id(0), pack_id(8)]) == {
            pack_id(0): tail([5, 1, 9, 3, 7]).blocks,
            pack_id(8): (),
        }
