"""The blocks that files need, located and keyed in few calls; the files ordered so that each block is read once."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Raw

from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.agent.restore.records import Folder, Wanted
from phoenix_core.agent.restore.workermessages import Batch, BatchEntry, Block, Place
from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkid import CHUNK_ID_BYTES
from phoenix_core.vault.entry import ChunkRef
from phoenix_core.vault.location import BlockRef, Locate, Location

LOCATE_CHUNKS = 4096
KEY_BLOCKS = 4096
BATCH_BYTES = 8 * 2**20
BATCH_FILES = 256
AskKeys = Callable[[Sequence[BlockRef]], Sequence[bytes]]
Keys = dict[BlockRef, bytes | ErrorView]
"""Of each block its key, or why there is none."""


class BlockPlan:
    """Asks the storage node and the core on behalf of the workers."""

    def __init__(self, locate: Locate, ask_keys: AskKeys) -> None:
        self._locate = locate
        self._ask_keys = ask_keys

    def batches(self, wanted: Sequence[Wanted], number: Callable[[], int]) -> Iterator[tuple[Batch[Raw], list[Wanted]]]:
        """What is wanted in batches of about 8 MiB or some hundred files, in the order in which their blocks lie in
        packs; each with its part of `wanted`.

        `number` gives each batch its number.
        Raises what the node and the core raise. A chunk that isn't there has no place; a block whose pack can't be read
        has a problem instead of a key."""
        places = self._places({chunk: None for each in wanted for chunk in _ids(each.chunks)})
        keys = self._keys(places.values())
        for some in _cut(_by_place(wanted, places)):
            yield _batch(number(), some, places, keys), some

    def for_chunks(self, refs: Sequence[ChunkRef]) -> tuple[tuple[Block, ...], tuple[Place, ...]]:
        """Blocks and places of a large file's part. Raises as `batches`."""
        places = self._places({ref.id: None for ref in refs})
        return _listed([ref.id for ref in refs], places, self._keys(places.values()))

    def _places(self, chunks: Iterable[bytes]) -> dict[bytes, Location]:
        wanted = [ChunkId(chunk) for chunk in chunks]
        found: dict[bytes, Location] = {}
        for at in range(0, len(wanted), LOCATE_CHUNKS):
            some = wanted[at : at + LOCATE_CHUNKS]
            for chunk, place in zip(some, self._locate(some), strict=True):
                if place is not None:
                    found[chunk] = place
        return found

    def _keys(self, places: Iterable[Location]) -> Keys:
        refs = sorted({(place.pack_id, place.ordinal) for place in places})
        keys: Keys = {}
        for at in range(0, len(refs), KEY_BLOCKS):
            keys.update(self._ask([BlockRef(*ref) for ref in refs[at : at + KEY_BLOCKS]]))
        return keys

    def _ask(self, refs: Sequence[BlockRef]) -> Keys:
        """A pack whose head can't be read must not keep the others back."""
        packs = sorted({ref.pack_id for ref in refs})
        try:
            return dict(zip(refs, self._ask_keys(refs), strict=True))
        except PhoenixError as error:
            if not damage_reason(error):
                raise
            if len(packs) == 1:
                return dict.fromkeys(refs, error.view())
        middle = packs[len(packs) // 2]
        return self._ask([ref for ref in refs if ref.pack_id < middle]) | self._ask(
            [ref for ref in refs if ref.pack_id >= middle]
        )


def _by_place(wanted: Sequence[Wanted], places: dict[bytes, Location]) -> list[Wanted]:
    """By the first chunk's pack and place in it; packs in the order in which the entries come to them."""
    ranks: dict[bytes, int] = {}
    keys: list[tuple[int, int, int]] = []
    for each in wanted:
        place = places.get(each.chunks[:CHUNK_ID_BYTES])
        if place is None:
            keys.append((-1, 0, 0))
        else:
            keys.append((ranks.setdefault(place.pack_id, len(ranks)), place.block_offset, place.offset))
    return [wanted[at] for at in sorted(range(len(wanted)), key=keys.__getitem__)]


def _ids(joined: bytes) -> Iterable[bytes]:
    if len(joined) <= CHUNK_ID_BYTES:
        return (joined,) if joined else ()
    return [joined[at : at + CHUNK_ID_BYTES] for at in range(0, len(joined), CHUNK_ID_BYTES)]


def _cut(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    held: list[Wanted] = []
    size = 0
    for each in wanted:
        held.append(each)
        size += each.data_bytes
        if size >= BATCH_BYTES or len(held) >= BATCH_FILES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _batch(number: int, wanted: Sequence[Wanted], places: dict[bytes, Location], keys: Keys) -> Batch[Raw]:
    folders: list[Folder] = []
    numbers: dict[int, int] = {}
    entries: list[BatchEntry[Raw]] = []
    for each in wanted:
        folder = numbers.setdefault(id(each.folder), len(folders))
        if folder == len(folders):
            folders.append(each.folder)
        entries.append(BatchEntry(folder, each.entry, each.identity != 0, each.known, each.begun))  # type: ignore[arg-type]
    blocks, listed = _listed([chunk for each in wanted for chunk in _ids(each.chunks)], places, keys)
    data_bytes = sum([each.data_bytes for each in wanted])
    return Batch(number, tuple(folders), tuple(entries), data_bytes, False, blocks, listed)


def _listed(
    chunks: Iterable[bytes], places: dict[bytes, Location], keys: Keys
) -> tuple[tuple[Block, ...], tuple[Place, ...]]:
    numbers: dict[BlockRef, int] = {}
    blocks: list[Block] = []
    listed: list[Place] = []
    for chunk in dict.fromkeys(chunks):
        place = places.get(chunk)
        if place is None:
            continue
        ref = BlockRef(place.pack_id, place.ordinal)
        block = numbers.get(ref)
        if block is None:
            block = numbers[ref] = len(blocks)
            blocks.append(_block(ref, place, keys[ref]))
        listed.append(Place(chunk, block, place.offset, place.length))
    return tuple(blocks), tuple(listed)


def _block(ref: BlockRef, place: Location, key: bytes | ErrorView) -> Block:
    at, length = place.block_offset, place.block_bytes
    if isinstance(key, ErrorView):
        return Block(ref.pack_id, ref.ordinal, at, length, b"", key)
    return Block(ref.pack_id, ref.ordinal, at, length, key)
