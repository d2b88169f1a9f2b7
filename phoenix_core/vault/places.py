"""Where chunks lie: the tables of the index that grow with the number of chunks. Used by `vault.index`.

    places    "c" → chunk id (32 bytes), pack number, ordinal of the block, offset in it, length (four u32); duplicates
    blocks    pack number (u32) → of each block where it starts in the pack, and its sealed length (two u32)
    partial   pack number → empty: its places are being entered or taken out, and don't count

Integers are big-endian. All places are duplicates of one key, since LMDB lays duplicates of one size side by side in
its pages, without a head for each. Ids are random, so a transaction over all of them writes nearly every page anew, and
needs as many free ones; hence places come and go in pieces, each a transaction over a part of the ids.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence

from phoenix_core.vault.environment import Environment, TableCursor, Txn
from phoenix_core.vault.packtail import TailBlock

KEY = b"c"
ID_BYTES = 32
PIECE_ROWS = 4096
_PLACE = struct.Struct(">IIII")
_BLOCK = struct.Struct(">II")
_NUMBER_END = ID_BYTES + 4
Row = bytes
"""A chunk's id and one place."""


class PlaceTable:
    def __init__(self, environment: Environment) -> None:
        self._places = environment.table("places", duplicates=True, fixed=True)
        self._blocks = environment.table("blocks")
        self._partial = environment.table("partial")

    def cursor(self, txn: Txn) -> TableCursor:
        return txn.cursor(self._places)

    def count(self, txn: Txn) -> int:
        return int(txn.stat(self._places)["entries"])

    # --- packs ---

    def put_blocks(self, txn: Txn, number: bytes, blocks: Sequence[TailBlock]) -> None:
        packed = b"".join(_BLOCK.pack(block.offset, block.sealed_bytes) for block in blocks)
        txn.put(number, packed, db=self._blocks)

    def blocks(self, txn: Txn, number: bytes) -> bytes:
        """For `block_at`."""
        return bytes(txn.get(number, db=self._blocks) or b"")

    def set_partial(self, txn: Txn, number: bytes) -> None:
        txn.put(number, b"", db=self._partial)

    def set_whole(self, txn: Txn, number: bytes) -> None:
        txn.delete(number, db=self._partial)

    def is_partial(self, txn: Txn, number: bytes) -> bool:
        return txn.get(number, db=self._partial) is not None

    def partial(self, txn: Txn) -> list[bytes]:
        with txn.cursor(self._partial) as cursor:
            return [bytes(number) for number, _ in cursor]

    def forget_blocks(self, txn: Txn, number: bytes) -> None:
        txn.delete(number, db=self._blocks)

    # --- places ---

    def enter(self, txn: Txn, rows: Iterable[Row]) -> None:
        with txn.cursor(self._places) as cursor:
            cursor.putmulti([(KEY, row) for row in rows])

    def take_out(self, txn: Txn, rows: Iterable[Row]) -> None:
        with txn.cursor(self._places) as cursor:
            for row in rows:
                if cursor.set_key_dup(KEY, row):
                    cursor.delete()

    def rows_in(self, txn: Txn, numbers: Iterable[bytes]) -> Iterator[Row]:
        """The places in these packs, by a search through the whole table."""
        wanted = frozenset(numbers)
        with txn.cursor(self._places) as cursor:
            for _, row in cursor:
                if number_of(row) in wanted:
                    yield bytes(row)

    def blocks_in(self, txn: Txn, number: bytes, rows: Iterable[Row]) -> tuple[TailBlock, ...]:
        """The blocks that all places in a pack lie in, as the pack's tail lists them."""
        packed = self.blocks(txn, number)
        chunks: dict[int, list[tuple[int, int, bytes]]] = {}
        for row in rows:
            _, ordinal, offset, length = _PLACE.unpack_from(row, ID_BYTES)
            chunks.setdefault(ordinal, []).append((offset, length, row[:ID_BYTES]))
        return tuple(_tail_block(packed, ordinal, sorted(chunks[ordinal])) for ordinal in sorted(chunks))


def rows_of(number: bytes, blocks: Iterable[TailBlock]) -> Iterator[Row]:
    pack_number = int.from_bytes(number, "big")
    for ordinal, block in enumerate(blocks):
        for chunk, offset, length in block.chunks():
            yield chunk + _PLACE.pack(pack_number, ordinal, offset, length)


def pieces(rows: Iterable[Row]) -> list[list[Row]]:
    """Sorted, and cut into what goes into one transaction each; one empty piece where there are no rows."""
    ordered = sorted(rows)
    return [ordered[at : at + PIECE_ROWS] for at in range(0, len(ordered), PIECE_ROWS)] or [[]]


def rows_at(cursor: TableCursor, chunk: bytes) -> list[Row]:
    """Every place of a chunk."""
    found: list[Row] = []
    going = cursor.set_range_dup(KEY, chunk)
    while going:
        row = cursor.value()
        if row[:ID_BYTES] != chunk:
            break
        found.append(row)
        going = cursor.next_dup()
    return found


def number_of(row: Row) -> bytes:
    return row[ID_BYTES:_NUMBER_END]


def place_of(row: Row) -> tuple[int, int, int]:
    """Ordinal of the block, offset in it, length."""
    _, ordinal, offset, length = _PLACE.unpack_from(row, ID_BYTES)
    return ordinal, offset, length


def block_at(blocks: bytes, ordinal: int) -> tuple[int, int]:
    """Where the block starts in the pack, and its sealed length. Raises struct.error where there is none."""
    at, size = _BLOCK.unpack_from(blocks, ordinal * _BLOCK.size)
    return at, size


def _tail_block(packed: bytes, ordinal: int, chunks: Sequence[tuple[int, int, bytes]]) -> TailBlock:
    at, size = block_at(packed, ordinal)
    return TailBlock(
        offset=at,
        sealed_bytes=size,
        raw_bytes=sum(length for _, length, _ in chunks),
        ids=b"".join(chunk for _, _, chunk in chunks),
        lengths=tuple(length for _, length, _ in chunks),
    )
