"""The chunk index: chunk id → every place where a copy lies, and the table of packs. Used by the storage node only.

Tables of the LMDB environment, integers big-endian so that LMDB's order is theirs; those of places are in `places.py`,
those of times in `reads.py`:

    packs     pack number (u32) → PackInfo, MessagePack
    numbers   pack id (32 bytes) → pack number (u32)
    about     `format`, `vault`, `complete`, `next` (next pack number), `totals`

A pack's bytes never exceed 4 GiB. Methods that take a transaction are parts of a larger one; the others make their own.
A pack is in the index from the transaction on that enters its PackInfo, the last of those that enter its places.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.environment import Environment, Txn
from phoenix_core.vault.index_errors import IndexDamaged
from phoenix_core.vault.index_format import FORMAT, upgrade
from phoenix_core.vault.location import Location
from phoenix_core.vault.packinfo import PackInfo, ReadTimes
from phoenix_core.vault.packtail import TailBlock
from phoenix_core.vault.packtotals import Totals
from phoenix_core.vault.places import (
    PIECE_ROWS,
    PlaceTable,
    Row,
    block_at,
    number_of,
    pieces,
    place_of,
    rows_at,
    rows_of,
)
from phoenix_core.vault.reads import ReadTable

_NUMBER = struct.Struct(">I")
_PAGE_PACKS = 1000
_encode = msgspec.msgpack.Encoder().encode
_info_of = msgspec.msgpack.Decoder(PackInfo).decode
_totals_of = msgspec.msgpack.Decoder(Totals).decode
Blocks = Sequence[TailBlock]
Beside = Callable[[Txn, PackInfo], object]
"""What else becomes true in the transaction in which a pack comes or goes."""
Usable = Callable[[PackInfo], bool]
Rank = Callable[[PackInfo], int]
"""How willingly a copy in this pack is named: the lowest wins; below 0 never."""


class VaultIndex:
    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._about = environment.table("about")
        self._places = PlaceTable(environment)
        self._packs = environment.table("packs")
        self._numbers = environment.table("numbers")
        self._reads = ReadTable(environment)

    # --- the index as a whole ---

    def begin(self, vault_id: str) -> None:
        """Name the vault that this index is of; take out what a crash left half entered. Raises IndexDamaged where the
        index is of another vault, or of a format that isn't known."""
        upgrade(self.environment, self._places, self._reads)

        def work(txn: Txn) -> list[bytes]:
            for key, wanted in ((b"format", FORMAT), (b"vault", vault_id.encode())):
                found = txn.get(key, db=self._about)
                if found is None:
                    txn.put(key, wanted, db=self._about)
                elif bytes(found) != wanted:
                    detail = f"its {key.decode()} is {bytes(found).decode(errors='replace')}, not {wanted.decode()}"
                    raise IndexDamaged(folder=self.environment.folder, detail=detail)
            return self._places.partial(txn)

        left = self.environment.write(work)
        if left:
            self._forget_places(left)

    def is_complete(self) -> bool:
        with self.environment.reading() as txn:
            return txn.get(b"complete", db=self._about) is not None

    def mark_complete(self) -> None:
        self.environment.write(lambda txn: txn.put(b"complete", b"1", db=self._about))

    def totals(self) -> Totals:
        with self.environment.reading() as txn:
            return self._totals(txn)

    def read_times(self) -> ReadTimes:
        """When the usable packs were last read and checked."""
        with self.environment.reading() as txn:
            return ReadTimes(self._totals(txn).unread, *self._reads.span(txn), self._reads.unread_since(txn))

    def copies(self) -> int:
        """How many copies of chunks the index knows."""
        with self.environment.reading() as txn:
            return self._places.count(txn)

    # --- chunks ---

    def present(self, ids: Sequence[ChunkId], usable: Usable) -> list[PackId | None]:
        """For each chunk a pack that holds a copy and is usable, or None."""
        verdicts: dict[bytes, PackId | None] = {}

        def verdict(row: Row) -> PackId | None:
            number = number_of(row)
            if number not in verdicts:
                info = self._info_at(txn, number)
                verdicts[number] = PackId(info.pack_id) if info is not None and usable(info) else None
            return verdicts[number]

        with self.environment.reading() as txn, self._places.cursor(txn) as cursor:
            return [next(filter(None, map(verdict, rows_at(cursor, chunk))), None) for chunk in ids]

    def locate(self, ids: Sequence[ChunkId], rank: Rank) -> list[Location | None]:
        """The best copy of each chunk, or None where there is none of rank 0 or more."""
        return [min(copies, key=lambda copy: copy[0])[1] if copies else None for copies in self._ranked(ids, rank)]

    def locate_all(self, ids: Sequence[ChunkId], rank: Rank) -> list[list[Location]]:
        return [[place for _, place in sorted(copies, key=lambda copy: copy[0])] for copies in self._ranked(ids, rank)]

    def _ranked(self, ids: Sequence[ChunkId], rank: Rank) -> list[list[tuple[int, Location]]]:
        packs: dict[bytes, tuple[int, bytes, bytes]] = {}
        with self.environment.reading() as txn, self._places.cursor(txn) as cursor:
            return [self._copies(txn, rows_at(cursor, chunk), rank, packs) for chunk in ids]

    def _copies(
        self, txn: Txn, rows: list[Row], rank: Rank, packs: dict[bytes, tuple[int, bytes, bytes]]
    ) -> list[tuple[int, Location]]:
        """`packs`: of those met so far rank, id and blocks."""
        copies: list[tuple[int, Location]] = []
        for row in rows:
            number = number_of(row)
            if number not in packs:
                info = self._info_at(txn, number)
                known = (-1, b"") if info is None else (rank(info), info.pack_id)
                packs[number] = *known, self._places.blocks(txn, number)
            place, pack_id, blocks = packs[number]
            if place >= 0:
                ordinal, offset, length = place_of(row)
                copies.append((place, Location(pack_id, ordinal, *block_at(blocks, ordinal), offset, length)))
        return copies

    # --- packs ---

    def pack(self, pack_id: PackId) -> PackInfo | None:
        with self.environment.reading() as txn:
            return self.pack_in(txn, pack_id)

    def pack_in(self, txn: Txn, pack_id: bytes) -> PackInfo | None:
        number = txn.get(pack_id, db=self._numbers)
        return None if number is None else self._info(txn, number)

    def packs(self) -> Iterator[PackInfo]:
        """All packs, in the order in which they were added; a page at a time, so that no transaction stays open."""
        after = b""
        while page := self.packs_page(after):
            for after, info in page:  # noqa: B007 # the last number is where the next page goes on
                yield info

    def packs_page(self, after: bytes = b"", limit: int = _PAGE_PACKS) -> list[tuple[bytes, PackInfo]]:
        """Up to `limit` packs with their numbers, after the one with that number."""
        page: list[tuple[bytes, PackInfo]] = []
        start = _NUMBER.pack(_NUMBER.unpack(after)[0] + 1) if after else b"\0\0\0\0"
        with self.environment.reading() as txn, txn.cursor(self._packs) as cursor:
            going = cursor.set_range(start)
            while going and len(page) < limit:
                page.append((bytes(cursor.key()), _info_of(cursor.value())))
                going = cursor.next()
        return page

    def add(self, packs: Sequence[tuple[PackInfo, Blocks]], beside: Beside | None = None) -> list[bool]:
        """Enter packs with all their chunks; of each False where it is in already, and stays as it is. `beside` is
        called for each that isn't. Durable on return."""
        if sum(len(block.lengths) for _, blocks in packs for block in blocks) <= PIECE_ROWS:
            return self.environment.write(lambda txn: self._finish(txn, self._begin(packs, txn), packs, None, beside))
        numbers = self.environment.write(partial(self._begin, packs))
        *first, last = pieces(_rows(numbers, packs))
        try:
            for piece in first:
                self.environment.write(partial(self._places.enter, rows=piece))
            return self.environment.write(lambda txn: self._finish(txn, numbers, packs, last, beside))
        except PhoenixError:
            with suppress(PhoenixError):  # on a full disk it may wait for the next start
                self._forget_places([number for number in numbers if number is not None], _rows(numbers, packs))
            raise

    def _begin(self, packs: Sequence[tuple[PackInfo, Blocks]], txn: Txn) -> list[bytes | None]:
        """A number for each pack; None for those that are in already."""
        known = [txn.get(info.pack_id, db=self._numbers) is not None for info, _ in packs]
        return [None if is_known else self._number(txn) for is_known in known]

    def _number(self, txn: Txn) -> bytes:
        number = bytes(txn.get(b"next", db=self._about) or _NUMBER.pack(0))
        txn.put(b"next", _NUMBER.pack(_NUMBER.unpack(number)[0] + 1), db=self._about)
        self._places.set_partial(txn, number)
        return number

    def _finish(
        self,
        txn: Txn,
        numbers: Sequence[bytes | None],
        packs: Sequence[tuple[PackInfo, Blocks]],
        rows: Iterable[Row] | None,
        beside: Beside | None,
    ) -> list[bool]:
        """`rows`: the places that aren't entered yet; None: all."""
        self._places.enter(txn, _rows(numbers, packs) if rows is None else rows)
        return [
            number is not None and self._enter(txn, number, info, blocks, beside)
            for number, (info, blocks) in zip(numbers, packs, strict=True)
        ]

    def _enter(self, txn: Txn, number: bytes, info: PackInfo, blocks: Blocks, beside: Beside | None) -> bool:
        if not txn.put(info.pack_id, number, overwrite=False, db=self._numbers):
            return False  # entered meanwhile; what stays partial goes at the next start
        self._places.put_blocks(txn, number, blocks)
        self._places.set_whole(txn, number)
        self._put(txn, number, None, info)
        if beside is not None:
            beside(txn, info)
        return True

    def blocks_in(self, pack_ids: Iterable[bytes]) -> Mapping[bytes, Blocks]:
        """What lies in these packs, by a search through the whole table; for `add` of another index."""
        with self.environment.reading() as txn:
            found = {pack_id: txn.get(pack_id, db=self._numbers) for pack_id in pack_ids}
            numbers = {pack_id: bytes(number) for pack_id, number in found.items() if number is not None}
            rows: dict[bytes, list[Row]] = {number: [] for number in numbers.values()}
            for row in self._places.rows_in(txn, rows):
                rows[number_of(row)].append(row)
            return dict.fromkeys(found, ()) | {
                pack_id: self._places.blocks_in(txn, number, rows[number]) for pack_id, number in numbers.items()
            }

    def change(self, txn: Txn, pack_id: bytes, **changes: object) -> PackInfo | None:
        """Set fields of a pack (`state`, `proved`, …); the new info, or None where the index doesn't know it."""
        number = txn.get(pack_id, db=self._numbers)
        if number is None:
            return None
        old = self._info(txn, number)
        new: PackInfo = msgspec.structs.replace(old, **changes)
        if new != old:
            self._put(txn, number, old, new)
        return new

    def remove(self, pack_id: bytes, blocks: Blocks | None, beside: Beside | None = None) -> None:
        """Take a pack and its chunks out; where its blocks aren't given, all places are searched for them."""

        def begin(txn: Txn) -> bytes | None:
            number = txn.pop(pack_id, db=self._numbers)
            if number is not None:
                info = self._info(txn, number)
                self._places.set_partial(txn, number)
                self._put(txn, number, info, None)
                if beside is not None:
                    beside(txn, info)
            return number

        number = self.environment.write(begin)
        if number is not None:
            self._forget_places([number], None if blocks is None else rows_of(number, blocks))

    def _forget_places(self, numbers: Sequence[bytes], rows: Iterable[Row] | None = None) -> None:
        """The places of partial packs. `rows`: all of them, where they are known."""
        with self.environment.reading() as txn:
            numbers = [number for number in numbers if self._places.is_partial(txn, number)]
            if rows is None:
                rows = list(self._places.rows_in(txn, numbers))
        rows = [row for row in rows if number_of(row) in numbers]
        *first, last = pieces(rows)
        for piece in first:
            self.environment.write(partial(self._places.take_out, rows=piece))

        def finish(txn: Txn) -> None:
            self._places.take_out(txn, last)
            for number in numbers:
                self._places.forget_blocks(txn, number)
                self._places.set_whole(txn, number)

        self.environment.write(finish)

    def _put(self, txn: Txn, number: bytes, old: PackInfo | None, new: PackInfo | None) -> None:
        if new is None:
            txn.delete(number, db=self._packs)
        else:
            txn.put(number, _encode(new), db=self._packs)
        self._reads.change(txn, number, old, new)
        txn.put(b"totals", _encode(self._totals(txn).changed(old, new)), db=self._about)

    def _info_at(self, txn: Txn, number: bytes) -> PackInfo | None:
        """Of a pack in which a chunk lies; None where it is being entered or taken out."""
        return None if self._places.is_partial(txn, number) else self._info(txn, number)

    def _info(self, txn: Txn, number: bytes) -> PackInfo:
        found = txn.get(number, db=self._packs)
        if found is None:
            raise IndexDamaged(folder=self.environment.folder, detail="a chunk lies in a pack that it doesn't know")
        return _info_of(found)

    def _totals(self, txn: Txn) -> Totals:
        found = txn.get(b"totals", db=self._about)
        return Totals() if found is None else _totals_of(found)


def _rows(numbers: Sequence[bytes | None], packs: Sequence[tuple[PackInfo, Blocks]]) -> Iterator[Row]:
    for number, (_, blocks) in zip(numbers, packs, strict=True):
        if number is not None:
            yield from rows_of(number, blocks)
