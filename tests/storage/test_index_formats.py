"""An index of an earlier format is changed when it is opened, and knows when each pack was read."""

import struct
from pathlib import Path

import msgspec
import pytest

from phoenix_core.vault import index_format
from phoenix_core.vault.environment import Environment, Txn
from phoenix_core.vault.index import VaultIndex
from phoenix_core.vault.index_errors import IndexDamaged
from phoenix_core.vault.packinfo import PackState, ReadTimes
from phoenix_core.vault.packtotals import Totals
from tests.storage.index_rig import USABLE, VAULT, add, chunk, everywhere, make, pack_id, remove, tail


def test_an_index_of_format_1_is_changed_when_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_format, "_BATCH_CHUNKS", 2)
    index = make(tmp_path)
    packs = {number: [number, number + 1, 40 + number, 50] for number in range(5)}
    for number, chunks in packs.items():
        add(index, number, chunks)
    expected = index.locate_all([chunk(number) for number in range(60)], everywhere)
    blocks = index.blocks_in(map(pack_id, packs))
    as_format_1(index)
    index.environment.close()
    again = VaultIndex(Environment(tmp_path))
    again.begin(VAULT)
    assert again.locate_all([chunk(number) for number in range(60)], everywhere) == expected
    assert again.blocks_in(map(pack_id, packs)) == blocks
    again.begin(VAULT)
    assert again.copies() == 20


def test_an_index_of_a_later_format_is_refused(tmp_path: Path) -> None:
    index = make(tmp_path)
    about = index.environment.table("about")
    index.environment.write(lambda txn: txn.put(b"format", b"5", db=about))
    with pytest.raises(IndexDamaged, match="format is 5"):
        index.begin(VAULT)


def change(index: VaultIndex, number: int, **changes: object) -> None:
    index.environment.write(lambda txn: index.change(txn, pack_id(number), **changes))


def test_of_all_usable_packs_the_earliest_reading_is_known(tmp_path: Path) -> None:
    index = make(tmp_path)
    for number in range(4):
        add(index, number, [number], stored_at_ns=10 + number)
    assert index.read_times() == ReadTimes(unread=4, unread_since_ns=10)
    for number, time_ns in ((0, 300), (1, 100), (2, 200)):
        change(index, number, read_at_ns=time_ns)
    assert index.read_times() == ReadTimes(unread=1, oldest_ns=100, newest_ns=300, unread_since_ns=13)
    change(index, 1, read_at_ns=400)
    assert index.read_times() == ReadTimes(unread=1, oldest_ns=200, newest_ns=400, unread_since_ns=13)
    change(index, 2, state=PackState.CONDEMNED)
    change(index, 3, state=PackState.LOST)
    assert index.read_times() == ReadTimes(oldest_ns=300, newest_ns=400)
    change(index, 2, state=USABLE)
    assert index.read_times().oldest_ns == 200
    remove(index, 2, tail([2]))
    remove(index, 0, None)
    assert index.read_times() == ReadTimes(oldest_ns=400, newest_ns=400)


def test_in_an_index_of_format_2_no_pack_counts_as_read(tmp_path: Path) -> None:
    """Its packs may have been proved years ago."""
    index = make(tmp_path)
    for number in range(3):
        add(index, number, [number], proved=True)
    add(index, 3, [3], state=PackState.DAMAGED)
    as_format_2(index)
    index.begin(VAULT)
    assert index.read_times() == ReadTimes(unread=3, unread_since_ns=1)
    assert index.totals() == Totals(packs=4, bytes=4006, unproved=1, damaged=1, unread=3)
    change(index, 0, read_at_ns=7)
    index.begin(VAULT)
    assert index.read_times() == ReadTimes(unread=2, oldest_ns=7, newest_ns=7, unread_since_ns=1)


def test_an_index_of_format_3_knows_since_when_packs_wait_to_be_read(tmp_path: Path) -> None:
    index = make(tmp_path)
    for number in range(3):
        add(index, number, [number], stored_at_ns=10 + number, read_at_ns=5 if number == 0 else 0)
    about, unread = index.environment.table("about"), index.environment.table("unread")

    def as_format_3(txn: Txn) -> None:
        txn.drop(unread, delete=False)
        txn.put(b"format", b"3", db=about)

    index.environment.write(as_format_3)
    index.begin(VAULT)
    assert index.read_times() == ReadTimes(unread=2, oldest_ns=5, newest_ns=5, unread_since_ns=11)


def as_format_2(index: VaultIndex) -> None:
    """What was written before a pack's row held when it was read; with a time in `reads` of a change that was cut."""
    about, packs, reads = (index.environment.table(name) for name in ("about", "packs", "reads"))

    def work(txn: Txn) -> None:
        with txn.cursor(packs) as cursor:
            rows = [(bytes(key), msgspec.msgpack.decode(value)) for key, value in cursor]
        for key, row in rows:
            txn.put(key, msgspec.msgpack.encode(row[:10]), db=packs)
        totals = msgspec.msgpack.decode(txn.get(b"totals", db=about) or b"")
        txn.put(b"totals", msgspec.msgpack.encode(totals[:5]), db=about)
        txn.put(struct.pack(">QI", 5, 1), b"", db=reads)
        txn.put(b"format", b"2", db=about)

    index.environment.write(work)


def as_format_1(index: VaultIndex) -> None:
    """What the first release wrote: one table of chunks, with the block's place in each row."""
    tables = {name: index.environment.table(name) for name in ("about", "packs", "blocks", "partial")}
    tables["places"] = index.environment.table("places", duplicates=True, fixed=True)
    old = index.environment.table("chunks", duplicates=True, fixed=True)

    def work(txn: Txn) -> None:
        with txn.cursor(tables["places"]) as cursor:
            for _, row in cursor:
                number, ordinal, offset, length = struct.unpack(">IIII", row[32:])
                block = struct.unpack_from(">II", txn.get(row[32:36], db=tables["blocks"]) or b"", 8 * ordinal)
                txn.put(row[:32], struct.pack(">IIIIII", number, ordinal, *block, offset, length), db=old)
        for name in ("places", "blocks", "partial"):
            txn.drop(tables[name])
        txn.put(b"format", b"1", db=tables["about"])

    index.environment.write(work)
