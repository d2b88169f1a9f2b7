"""Reads chunks by id and gives out only bytes that hash to it."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.block import MAX_SEALED_BYTES, open_block
from phoenix_core.vault.chunkid import keyed_id
from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.errors import (
    BlockDamaged,
    ChunkDamaged,
    ChunkMissing,
    PackDamaged,
    UnknownVersion,
    UnsealFailed,
)
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockKeys, BlockRef, Locate, Location, OpenPackForReading
from phoenix_core.vault.packhead import parse_head
from phoenix_core.vault.packreader import read_head_bytes

BATCH_CHUNKS = 256
CACHE_BYTES = 12 * 2**20
HEADS_KEPT = 1024
KEYS_KEPT = 65536


class ChunkSource(Protocol):
    """What trees and lists are read from: `ChunkReader`, or something that wraps one."""

    def read_one(self, chunk: ChunkId) -> bytes: ...

    def read(self, ids: Iterable[ChunkId]) -> Iterator[tuple[ChunkId, bytes]]: ...


class ChunkReader:
    """Reads chunks of one kind and domain. Not thread-safe.

    Keeps the blocks read last (`cache_bytes` of raw bytes), heads and block keys, so that neighbours cost one read."""

    def __init__(
        self,
        locate: Locate,
        open_pack: OpenPackForReading,
        block_keys: BlockKeys,
        keys: DomainKeys,
        kind: PackKind,
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._locate = locate
        self._open_pack = open_pack
        self._block_keys = block_keys
        self._id_key = keys.id_key(kind)
        self._kind = kind
        self._cache_bytes = cache_bytes
        self._blocks: OrderedDict[BlockRef, bytes] = OrderedDict()
        self._held_bytes = 0
        self._heads: OrderedDict[bytes, bytes] = OrderedDict()
        self._keys: OrderedDict[BlockRef, bytes] = OrderedDict()

    def read_one(self, chunk: ChunkId) -> bytes:
        """The chunk's bytes. Raises `ChunkMissing` or `ChunkDamaged`, and what the node and the core raise."""
        place = self._locate((chunk,))[0]
        if place is None:
            raise ChunkMissing(chunk=chunk.hex())
        return self._chunk(chunk, self._checked(chunk, place))

    def read(self, ids: Iterable[ChunkId]) -> Iterator[tuple[ChunkId, bytes]]:
        """Each id with its bytes, in the order given; locations and keys are asked for in batches.

        Raises as `read_one`, when the iteration comes to the chunk."""
        remaining = iter(ids)
        while batch := list(islice(remaining, BATCH_CHUNKS)):
            located = self._locate(batch)
            places = [
                None if place is None else self._checked(chunk, place)
                for chunk, place in zip(batch, located, strict=True)
            ]
            try:
                self._fetch_keys([place for place in places if place is not None])
            except PhoenixError as error:
                if error.retryable:
                    raise
                # One pack whose head is damaged spoils only its own chunks: keys are asked for one by one.
            for chunk, place in zip(batch, places, strict=True):
                if place is None:
                    raise ChunkMissing(chunk=chunk.hex())
                yield chunk, self._chunk(chunk, place)

    def _checked(self, chunk: ChunkId, place: Location) -> Location:
        sane = 0 < place.block_bytes <= MAX_SEALED_BYTES and min(place.block_offset, place.offset, place.ordinal) >= 0
        if not sane or place.length <= 0:
            raise ChunkDamaged(chunk=chunk.hex(), pack=place.pack_id.hex(), detail="its location makes no sense")
        return place

    def _fetch_keys(self, places: Sequence[Location]) -> None:
        wanted = dict.fromkeys(BlockRef(place.pack_id, place.ordinal) for place in places)
        unknown = [ref for ref in wanted if ref not in self._keys and ref not in self._blocks]
        if unknown:
            while self._keys and len(self._keys) + len(unknown) > KEYS_KEPT:
                self._keys.popitem(last=False)
            self._keys.update(zip(unknown, self._block_keys(unknown), strict=True))

    def _chunk(self, chunk: ChunkId, place: Location) -> bytes:
        try:
            raw = self._block(place)
        except (BlockDamaged, PackDamaged, UnknownVersion, UnsealFailed) as error:
            raise ChunkDamaged(chunk=chunk.hex(), pack=place.pack_id.hex(), detail=str(error)) from error
        data = raw[place.offset : place.offset + place.length]
        if keyed_id(self._id_key, data) != chunk:
            raise ChunkDamaged(chunk=chunk.hex(), pack=place.pack_id.hex(), detail="its bytes do not hash to its id")
        return data

    def _block(self, place: Location) -> bytes:
        ref = BlockRef(place.pack_id, place.ordinal)
        raw = self._blocks.get(ref)
        if raw is not None:
            self._blocks.move_to_end(ref)
            return raw
        if ref not in self._keys:
            self._fetch_keys((place,))
        with self._open_pack(PackId(place.pack_id)) as pack:
            head = self._heads.get(place.pack_id)
            if head is None:
                head = read_head_bytes(pack)
            sealed = pack.pread(place.block_bytes, place.block_offset)
        if parse_head(head).kind is not self._kind:
            raise PackDamaged(detail="it holds chunks of the other kind")
        raw = open_block(self._keys[ref], head, place.ordinal, sealed)
        self._remember(ref, raw, head)
        return raw

    def _remember(self, ref: BlockRef, raw: bytes, head: bytes) -> None:
        self._heads[ref.pack_id] = head
        if len(self._heads) > HEADS_KEPT:
            self._heads.popitem(last=False)
        self._blocks[ref] = raw
        self._held_bytes += len(raw)
        while self._held_bytes > self._cache_bytes and len(self._blocks) > 1:
            _, dropped = self._blocks.popitem(last=False)
            self._held_bytes -= len(dropped)
