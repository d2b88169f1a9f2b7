"""The blocks that files need, located and keyed in few calls; the files ordered so that each block is read once."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.agent.restore.records import Item
from phoenix_core.agent.restore.workermessages import Batch, Block, Place
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.entry import ChunkRef
from phoenix_core.vault.location import BlockRef, Locate, Location

LOCATE_CHUNKS = 4096
KEY_BLOCKS = 4096
BATCH_BYTES = 8 * 2**20
BATCH_FILES = 256
AskKeys = Callable[[Sequence[BlockRef]], Sequence[bytes]]


class BlockPlan:
    """Asks the storage node and the core on behalf of the workers."""

    def __init__(self, locate: Locate, ask_keys: AskKeys) -> None:
        self._locate = locate
        self._ask_keys = ask_keys

    def batches(self, items: Sequence[Item], number: Callable[[], int]) -> Iterator[Batch]:
        """The items in batches of about 8 MiB or some hundred files, in the order in which their blocks lie in packs.

        `number` gives each batch its number.
        Raises what the node and the core raise. A chunk that isn't there, or whose pack is damaged, has no place."""
        places = self._places({ref.id for item in items for ref in item.entry.chunks})
        keys = self._keys(places.values())
        order = _by_place(items, places)
        for some in _cut(order):
            yield _batch(number(), some, places, keys)

    def for_chunks(self, refs: Sequence[ChunkRef]) -> tuple[tuple[Block, ...], tuple[Place, ...]]:
        """Blocks and places of a large file's part. Raises as `batches`."""
        places = self._places({ref.id for ref in refs})
        return _listed(refs, places, self._keys(places.values()))

    def _places(self, chunks: Iterable[bytes]) -> dict[bytes, Location]:
        wanted = [ChunkId(chunk) for chunk in chunks]
        found: dict[bytes, Location] = {}
        for at in range(0, len(wanted), LOCATE_CHUNKS):
            some = wanted[at : at + LOCATE_CHUNKS]
            for chunk, place in zip(some, self._locate(some), strict=True):
                if place is not None:
                    found[chunk] = place
        return found

    def _keys(self, places: Iterable[Location]) -> dict[BlockRef, bytes]:
        refs = sorted({(place.pack_id, place.ordinal) for place in places})
        keys: dict[BlockRef, bytes] = {}
        for at in range(0, len(refs), KEY_BLOCKS):
            keys.update(self._ask([BlockRef(*ref) for ref in refs[at : at + KEY_BLOCKS]]))
        return keys

    def _ask(self, refs: Sequence[BlockRef]) -> dict[BlockRef, bytes]:
        """The keys of those whose pack's head can be read: one that can't must not keep the others back."""
        try:
            return dict(zip(refs, self._ask_keys(refs), strict=True))
        except PhoenixError as error:
            if not damage_reason(error):
                raise
        packs = sorted({ref.pack_id for ref in refs})
        if len(packs) == 1:
            return {}
        middle = packs[len(packs) // 2]
        return self._ask([ref for ref in refs if ref.pack_id < middle]) | self._ask(
            [ref for ref in refs if ref.pack_id >= middle]
        )


def _by_place(items: Sequence[Item], places: dict[bytes, Location]) -> list[Item]:
    """By the first chunk's pack and place in it; packs in the order in which the items come to them."""
    ranks: dict[bytes, int] = {}

    def place_of(item: Item) -> tuple[int, int, int]:
        place = places.get(item.entry.chunks[0].id) if item.entry.chunks else None
        if place is None:
            return (-1, 0, 0)
        return (ranks.setdefault(place.pack_id, len(ranks)), place.block_offset, place.offset)

    return sorted(items, key=place_of)


def _cut(items: Iterable[Item]) -> Iterator[list[Item]]:
    held: list[Item] = []
    size = 0
    for item in items:
        held.append(item)
        size += item.entry.data_bytes
        if size >= BATCH_BYTES or len(held) >= BATCH_FILES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _batch(number: int, items: Sequence[Item], places: dict[bytes, Location], keys: dict[BlockRef, bytes]) -> Batch:
    blocks, listed = _listed([ref for item in items for ref in item.entry.chunks], places, keys)
    return Batch(number, tuple(items), blocks, listed)


def _listed(
    refs: Iterable[ChunkRef], places: dict[bytes, Location], keys: dict[BlockRef, bytes]
) -> tuple[tuple[Block, ...], tuple[Place, ...]]:
    numbers: dict[BlockRef, int] = {}
    blocks: list[Block] = []
    listed: list[Place] = []
    for chunk in dict.fromkeys(ref.id for ref in refs):
        place = places.get(chunk)
        ref = BlockRef(place.pack_id, place.ordinal) if place else None
        if place is None or ref is None or ref not in keys:
            continue
        block = numbers.get(ref)
        if block is None:
            block = numbers[ref] = len(blocks)
            blocks.append(Block(ref.pack_id, ref.ordinal, place.block_offset, place.block_bytes, keys[ref]))
        listed.append(Place(chunk, block, place.offset, place.length))
    return tuple(blocks), tuple(listed)
