"""The chunks of the work in hand: a block is read, opened and decompressed once, a chunk of it hashed once."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from blake3 import blake3

from phoenix_core.agent.restore.packshelf import PackShelf
from phoenix_core.agent.restore.workermessages import Block, Place
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.block import MAX_SEALED_BYTES, view_block
from phoenix_core.vault.errors import (
    BlockDamaged,
    ChunkDamaged,
    ChunkMissing,
    PackDamaged,
    UnknownVersion,
    UnsealFailed,
)
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import parse_head
from phoenix_core.vault.packreader import read_head_bytes

CACHE_BYTES = 8 * 2**20
"""Files come in the order of their blocks, so that few are read again."""
HEADS_KEPT = 64
_BlockName = tuple[bytes, int]


class BlockSource:
    """Not thread-safe. `use` says where the chunks lie that `read_one` is then asked for."""

    def __init__(self, packs: PackShelf, id_key: bytes) -> None:
        self._packs = packs
        self._id_key = id_key
        self._listed: Sequence[Block] = ()
        self._places: dict[bytes, Place] = {}
        self._checked: dict[bytes, memoryview] = {}
        """Chunks of the blocks at hand that hash to their ids."""
        self._blocks: OrderedDict[_BlockName, memoryview] = OrderedDict()
        self._held_bytes = 0
        self._heads: OrderedDict[bytes, bytes] = OrderedDict()

    def use(self, blocks: Sequence[Block], places: Sequence[Place]) -> None:
        self._listed = blocks
        self._places = {place.chunk: place for place in places}

    def read_one(self, chunk: ChunkId) -> memoryview:
        """The chunk's bytes, good until the next call. Raises `ChunkMissing`, `ChunkDamaged`, what the node raises, and
        the problem of a block without a key as RemoteError."""
        data = self._checked.get(chunk)
        if data is not None:
            return data
        place = self._places.get(chunk)
        if place is None:
            raise ChunkMissing(chunk=chunk.hex())
        block = self._listed[place.block]
        if block.problem is not None:
            raise RemoteError(block.problem)
        try:
            raw = self._raw(block)
        except (BlockDamaged, PackDamaged, UnknownVersion, UnsealFailed) as error:
            raise ChunkDamaged(chunk=chunk.hex(), pack=block.pack_id.hex(), detail=str(error)) from error
        data = raw[place.offset : place.offset + place.length]
        if blake3(data, key=self._id_key).digest() != chunk:
            raise ChunkDamaged(chunk=chunk.hex(), pack=block.pack_id.hex(), detail="its bytes do not hash to its id")
        self._checked[chunk] = data
        return data

    def _raw(self, block: Block) -> memoryview:
        name = (block.pack_id, block.ordinal)
        raw = self._blocks.get(name)
        if raw is None:
            raw = self._blocks[name] = self._opened(block)
            self._held_bytes += len(raw)
            while self._held_bytes > CACHE_BYTES and len(self._blocks) > 1:
                self._checked.clear()
                self._held_bytes -= len(self._blocks.popitem(last=False)[1])
        else:
            self._blocks.move_to_end(name)
        return raw

    def _opened(self, block: Block) -> memoryview:
        if not 0 < block.length <= MAX_SEALED_BYTES or block.offset < 0 or block.ordinal < 0:
            raise BlockDamaged(ordinal=block.ordinal, detail="its location makes no sense")
        with self._packs.open_pack(PackId(block.pack_id)) as pack:
            head = self._head(block.pack_id, lambda: read_head_bytes(pack))
            sealed = pack.pread(block.length, block.offset)
        return memoryview(view_block(block.key, head, block.ordinal, sealed))

    def _head(self, pack_id: bytes, read: Callable[[], bytes]) -> bytes:
        head = self._heads.get(pack_id)
        if head is None:
            head = read()
            if parse_head(head).kind is not PackKind.DATA:
                raise PackDamaged(detail="it holds chunks of the other kind")
            self._heads[pack_id] = head
            if len(self._heads) > HEADS_KEPT:
                self._heads.popitem(last=False)
        return head
