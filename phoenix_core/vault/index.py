"""The chunk index: chunk id → every place where a copy lies, and the table of packs. Used by the storage node only.

Tables of the LMDB environment, integers big-endian so that LMDB's order is theirs:

    chunks    chunk id (32 bytes) → pack number, ordinal, block offset, block bytes, offset, length (six u32); dup.
    packs     pack number (u32) → PackInfo, MessagePack
    numbers   pack id (32 bytes) → pack number (u32)
    about     `format`, `vault`, `complete`, `next` (next pack number), `totals`

A pack's bytes never exceed 4 GiB. Methods that take a transaction are parts of a larger one; the others make their own.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.environment import Environment, TableCursor, Txn
from phoenix_core.vault.index_errors import IndexDamaged
from phoenix_core.vault.location import Location
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.packtail import PackTail, TailBlock

FORMAT = b"1"
_PLACE = struct.Struct(">IIIIII")
_IN_PACK = struct.Struct(">IIIII")
_NUMBER = struct.Struct(">I")
_PAGE_PACKS = 1000
_encode = msgspec.msgpack.Encoder().encode
_info_of = msgspec.msgpack.Decoder(PackInfo).decode


class Totals(msgspec.Struct, frozen=True, array_like=True):
    """Sums over all packs of the table."""

    packs: int = 0
    bytes: int = 0
    unproved: int = 0
    condemned: int = 0
    damaged: int = 0
    """Damaged or lost."""


_totals_of = msgspec.msgpack.Decoder(Totals).decode
Places = list[tuple[bytes, bytes]]
"""Of one pack: each chunk's id, and where in the pack it lies."""
Usable = Callable[[PackInfo], bool]
Rank = Callable[[PackInfo], int]
"""How willingly a copy in this pack is named: the lowest wins; below 0 never."""


class VaultIndex:
    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._about = environment.table("about")
        self._chunks = environment.table("chunks", duplicates=True, fixed=True)
        self._packs = environment.table("packs")
        self._numbers = environment.table("numbers")

    # --- the index as a whole ---

    def begin(self, vault_id: str) -> None:
        """Name the vault that this index is of. Raises IndexDamaged where it is of another one, or another format."""

        def work(txn: Txn) -> None:
            for key, wanted in ((b"format", FORMAT), (b"vault", vault_id.encode())):
                found = txn.get(key, db=self._about)
                if found is None:
                    txn.put(key, wanted, db=self._about)
                elif bytes(found) != wanted:
                    detail = f"its {key.decode()} is {bytes(found).decode(errors='replace')}, not {wanted.decode()}"
                    raise IndexDamaged(folder=self.environment.folder, detail=detail)

        self.environment.write(work)

    def is_complete(self) -> bool:
        with self.environment.reading() as txn:
            return txn.get(b"complete", db=self._about) is not None

    def mark_complete(self) -> None:
        self.environment.write(lambda txn: txn.put(b"complete", b"1", db=self._about))

    def totals(self) -> Totals:
        with self.environment.reading() as txn:
            return self._totals(txn)

    def copies(self) -> int:
        """How many copies of chunks the index knows."""
        with self.environment.reading() as txn:
            return int(txn.stat(self._chunks)["entries"])

    # --- chunks ---

    def present(self, ids: Sequence[ChunkId], usable: Usable) -> list[PackId | None]:
        """For each chunk a pack that holds a copy and is usable, or None."""
        verdicts: dict[bytes, PackId | None] = {}
        found: list[PackId | None] = []
        with self.environment.reading() as txn, txn.cursor(self._chunks) as cursor:
            for chunk in ids:
                answer: PackId | None = None
                for number in _numbers_at(cursor, chunk):
                    if number not in verdicts:
                        info = self._info(txn, number)
                        verdicts[number] = PackId(info.pack_id) if usable(info) else None
                    answer = verdicts[number]
                    if answer is not None:
                        break
                found.append(answer)
        return found

    def locate(self, ids: Sequence[ChunkId], rank: Rank) -> list[Location | None]:
        """The best copy of each chunk, or None where there is none of rank 0 or more."""
        return [min(copies, key=lambda copy: copy[0])[1] if copies else None for copies in self._ranked(ids, rank)]

    def locate_all(self, ids: Sequence[ChunkId], rank: Rank) -> list[list[Location]]:
        return [[place for _, place in sorted(copies, key=lambda copy: copy[0])] for copies in self._ranked(ids, rank)]

    def _ranked(self, ids: Sequence[ChunkId], rank: Rank) -> Iterator[list[tuple[int, Location]]]:
        ranks: dict[bytes, tuple[int, bytes]] = {}
        with self.environment.reading() as txn, txn.cursor(self._chunks) as cursor:
            found = [self._copies(txn, cursor, chunk, rank, ranks) for chunk in ids]
        return iter(found)

    def _copies(
        self,
        txn: Txn,
        cursor: TableCursor,
        chunk: bytes,
        rank: Rank,
        ranks: dict[bytes, tuple[int, bytes]],
    ) -> list[tuple[int, Location]]:
        copies: list[tuple[int, Location]] = []
        going = cursor.set_key(chunk)
        while going:
            value = cursor.value()
            number = value[:4]
            if number not in ranks:
                info = self._info(txn, number)
                ranks[number] = rank(info), info.pack_id
            place, pack_id = ranks[number]
            if place >= 0:
                copies.append((place, Location(pack_id, *_PLACE.unpack(value)[1:])))
            going = cursor.next_dup()
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

    def add(self, txn: Txn, info: PackInfo, tail: PackTail) -> bool:
        """Enter a pack with all its chunks. False where it is in already; nothing changes then."""
        number = self._number_for(txn, info)
        if number is None:
            return False
        pack_number = _NUMBER.unpack(number)[0]
        with txn.cursor(self._chunks) as cursor:
            for ordinal, block in enumerate(tail.blocks):
                at, size = block.offset, block.sealed_bytes
                cursor.putmulti(
                    [
                        (chunk, _PLACE.pack(pack_number, ordinal, at, size, offset, length))
                        for chunk, offset, length in block.chunks()
                    ]
                )
        self._put(txn, number, None, info)
        return True

    def _number_for(self, txn: Txn, info: PackInfo) -> bytes | None:
        """A number for a new pack; None where it is in already."""
        if txn.get(info.pack_id, db=self._numbers) is not None:
            return None
        number = bytes(txn.get(b"next", db=self._about) or _NUMBER.pack(0))
        txn.put(b"next", _NUMBER.pack(_NUMBER.unpack(number)[0] + 1), db=self._about)
        txn.put(info.pack_id, number, db=self._numbers)
        return number

    def places_of(self, pack_ids: Iterable[bytes]) -> dict[bytes, Places]:
        """What lies in these packs, by a search through the whole table; for `add_places` of another index."""
        with self.environment.reading() as txn:
            numbers = {bytes(txn.get(pack_id, db=self._numbers) or b""): pack_id for pack_id in pack_ids}
            found: dict[bytes, Places] = {pack_id: [] for pack_id in numbers.values()}
            with txn.cursor(self._chunks) as cursor:
                for chunk, place in cursor:
                    pack_id = numbers.get(bytes(place[:4]))
                    if pack_id is not None:
                        found[pack_id].append((bytes(chunk), bytes(place[4:])))
        return found

    def add_places(self, txn: Txn, info: PackInfo, places: Places) -> None:
        """Enter a pack whose tail can't be read, with what another index knew of it."""
        number = self._number_for(txn, info)
        if number is not None:
            with txn.cursor(self._chunks) as cursor:
                cursor.putmulti([(chunk, number + place) for chunk, place in places])
            self._put(txn, number, None, info)

    def change(self, txn: Txn, pack_id: bytes, **changes: object) -> PackInfo | None:
        """Set fields of a pack (`state`, `proved`); the new info, or None where the index doesn't know it."""
        number = txn.get(pack_id, db=self._numbers)
        if number is None:
            return None
        old = self._info(txn, number)
        new: PackInfo = msgspec.structs.replace(old, **changes)
        if new != old:
            self._put(txn, number, old, new)
        return new

    def remove(self, txn: Txn, pack_id: bytes, tail: PackTail | None) -> None:
        """Take a pack and its chunks out. Without its tail the whole chunk table is searched for them."""
        number = txn.pop(pack_id, db=self._numbers)
        if number is None:
            return
        with txn.cursor(self._chunks) as cursor:
            chunks = _chunks_in(cursor, number) if tail is None else _chunks_of(tail)
            _remove_places(cursor, number, chunks)
        self._put(txn, number, self._info(txn, number), None)

    def _put(self, txn: Txn, number: bytes, old: PackInfo | None, new: PackInfo | None) -> None:
        if new is None:
            txn.delete(number, db=self._packs)
        else:
            txn.put(number, _encode(new), db=self._packs)
        totals = _add(_add(self._totals(txn), old, -1), new, 1)
        txn.put(b"totals", _encode(totals), db=self._about)

    def _info(self, txn: Txn, number: bytes) -> PackInfo:
        found = txn.get(number, db=self._packs)
        if found is None:
            raise IndexDamaged(folder=self.environment.folder, detail="a chunk lies in a pack that it doesn't know")
        return _info_of(found)

    def _totals(self, txn: Txn) -> Totals:
        found = txn.get(b"totals", db=self._about)
        return Totals() if found is None else _totals_of(found)


def blocks_of(places: Places) -> tuple[TailBlock, ...]:
    """The blocks that these places lie in, as a pack's tail lists them."""
    blocks: dict[tuple[int, int, int], list[tuple[int, int, bytes]]] = {}
    for chunk, place in places:
        ordinal, at, size, offset, length = _IN_PACK.unpack(place)
        blocks.setdefault((ordinal, at, size), []).append((offset, length, chunk))
    return tuple(
        TailBlock(
            offset=at,
            sealed_bytes=size,
            raw_bytes=sum(length for _, length, _ in chunks),
            ids=b"".join(chunk for _, _, chunk in sorted(chunks)),
            lengths=tuple(length for _, length, _ in sorted(chunks)),
        )
        for (_, at, size), chunks in sorted(blocks.items())
    )


def _numbers_at(cursor: TableCursor, chunk: bytes) -> Iterable[bytes]:
    going = cursor.set_key(chunk)
    while going:
        yield cursor.value()[:4]
        going = cursor.next_dup()


def _chunks_of(tail: PackTail) -> set[bytes]:
    return {chunk for block in tail.blocks for chunk, _, _ in block.chunks()}


def _chunks_in(cursor: TableCursor, number: bytes) -> set[bytes]:
    """The chunks that lie in a pack, by a search through the whole table."""
    return {bytes(chunk) for chunk, place in cursor if place[:4] == number}


def _remove_places(cursor: TableCursor, number: bytes, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        while cursor.set_range_dup(chunk, number) and cursor.value()[:4] == number:
            cursor.delete()


def _add(totals: Totals, info: PackInfo | None, sign: int) -> Totals:
    if info is None:
        return totals
    return Totals(
        packs=totals.packs + sign,
        bytes=totals.bytes + sign * info.bytes,
        unproved=totals.unproved + sign * (not info.proved),
        condemned=totals.condemned + sign * (info.state is PackState.CONDEMNED),
        damaged=totals.damaged + sign * (info.state in {PackState.DAMAGED, PackState.LOST}),
    )
