"""The format of the index, and how one of an earlier format becomes one of this when it is opened.

Format 1 had, instead of the tables of `places.py`, one named `chunks`: chunk id (32 bytes) → pack number, ordinal,
block offset, block bytes, offset, length (six u32, big-endian); duplicates. Formats 1 and 2 didn't know when a pack was
last read: they had no table `reads`, no such time in a pack's row, and no count of unread packs in `totals`. Format 3
had no table `unread`. Cut off at any point, a change begins anew.
"""

import struct
from collections import defaultdict
from functools import partial

import msgspec

from phoenix_core.vault.environment import Database, Environment, Txn
from phoenix_core.vault.packinfo import PackInfo
from phoenix_core.vault.packtail import TailBlock
from phoenix_core.vault.packtotals import Totals
from phoenix_core.vault.places import PlaceTable, Row
from phoenix_core.vault.reads import ReadTable

FORMAT = b"4"
_FORMAT_1 = b"1"
_FORMAT_2 = b"2"
_FORMAT_3 = b"3"
_OLD_PLACE = struct.Struct(">IIIIII")
_NEW_PLACE = struct.Struct(">IIII")
_BATCH_CHUNKS = 16384
_info_of = msgspec.msgpack.Decoder(PackInfo).decode
_OldBlocks = dict[bytes, dict[int, tuple[int, int]]]


def upgrade(environment: Environment, places: PlaceTable, reads: ReadTable) -> None:
    about = environment.table("about")
    if _format_of(environment, about) == _FORMAT_1:
        _to_format_2(environment, about, places)
    if _format_of(environment, about) == _FORMAT_2:
        _to_format_3(environment, about)
    if _format_of(environment, about) == _FORMAT_3:
        _to_format_4(environment, about, reads)


def _format_of(environment: Environment, about: Database) -> bytes:
    with environment.reading() as txn:
        return bytes(txn.get(b"format", db=about) or b"")


def _to_format_4(environment: Environment, about: Database, reads: ReadTable) -> None:
    packs = environment.table("packs")

    def work(txn: Txn) -> None:
        reads.clear(txn)
        with txn.cursor(packs) as cursor:
            for number, value in cursor:
                reads.change(txn, bytes(number), None, _info_of(value))
        txn.put(b"format", FORMAT, db=about)

    environment.write(work)


def _to_format_3(environment: Environment, about: Database) -> None:
    """No pack counts as read: what was proved before may have been proved years ago."""
    packs = environment.table("packs")

    def work(txn: Txn) -> None:
        totals = Totals()
        with txn.cursor(packs) as cursor:
            for _, value in cursor:
                totals = totals.changed(None, _info_of(value))
        txn.put(b"totals", msgspec.msgpack.encode(totals), db=about)
        txn.put(b"format", _FORMAT_3, db=about)

    environment.write(work)


def _to_format_2(environment: Environment, about: Database, places: PlaceTable) -> None:
    old = environment.table("chunks", duplicates=True, fixed=True)
    blocks: _OldBlocks = defaultdict(dict)
    after = b""
    while True:
        after, rows = _converted(environment, old, after, blocks)
        if not rows:
            break
        environment.write(partial(places.enter, rows=rows))

    def finish(txn: Txn) -> None:
        for number, offsets in blocks.items():
            places.put_blocks(txn, number, _blocks(offsets))
        txn.put(b"format", _FORMAT_2, db=about)
        txn.drop(old)

    environment.write(finish)


def _converted(environment: Environment, old: Database, after: bytes, blocks: _OldBlocks) -> tuple[bytes, list[Row]]:
    """The places of the next chunks after this one, and the last chunk."""
    rows: list[Row] = []
    with environment.reading() as txn, txn.cursor(old) as cursor:
        going = cursor.set_range(after + b"\0") if after else cursor.first()
        while going and len(rows) < _BATCH_CHUNKS:
            after = bytes(cursor.key())
            for place in cursor.iternext_dup():
                number, ordinal, at, size, offset, length = _OLD_PLACE.unpack(place)
                blocks[bytes(place[:4])][ordinal] = at, size
                rows.append(after + _NEW_PLACE.pack(number, ordinal, offset, length))
            going = cursor.next_nodup()
    return after, rows


def _blocks(offsets: dict[int, tuple[int, int]]) -> list[TailBlock]:
    return [TailBlock(*offsets.get(ordinal, (0, 0)), 0, b"", ()) for ordinal in range(max(offsets) + 1)]
