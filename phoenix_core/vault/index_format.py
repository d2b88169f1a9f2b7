"""The format of the index, and how one of format 1 becomes one of format 2 when it is opened.

Format 1 had, instead of the tables of `places.py`, one named `chunks`: chunk id (32 bytes) → pack number, ordinal,
block offset, block bytes, offset, length (six u32, big-endian); duplicates. Cut off at any point, the change begins
anew.
"""

import struct
from collections import defaultdict
from functools import partial

from phoenix_core.vault.environment import Database, Environment, Txn
from phoenix_core.vault.packtail import TailBlock
from phoenix_core.vault.places import PlaceTable, Row

FORMAT = b"2"
_FORMAT_1 = b"1"
_OLD_PLACE = struct.Struct(">IIIIII")
_NEW_PLACE = struct.Struct(">IIII")
_BATCH_CHUNKS = 16384
_OldBlocks = dict[bytes, dict[int, tuple[int, int]]]


def upgrade(environment: Environment, places: PlaceTable) -> None:
    about = environment.table("about")
    with environment.reading() as txn:
        if txn.get(b"format", db=about) != _FORMAT_1:
            return
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
        txn.put(b"format", FORMAT, db=about)
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
