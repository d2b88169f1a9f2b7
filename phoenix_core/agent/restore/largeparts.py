"""Which files are restored in parts, and the parts of one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from phoenix_core.agent.restore.content import extents_of
from phoenix_core.vault.entry import ChunkRef, Entry, Extent

LARGE_BYTES = 64 * 2**20
PART_BYTES = 16 * 2**20
PART_CHUNKS = 1024


def is_large(entry: Entry) -> bool:
    """Whether a file is restored in parts."""
    return entry.is_file and (bool(entry.chunk_list) or entry.data_bytes >= LARGE_BYTES)


@dataclass(frozen=True)
class Part:
    """Some of a file's chunks, and where they lie in it."""

    extents: tuple[Extent, ...]
    refs: tuple[ChunkRef, ...]


def parts_of(entry: Entry, refs: Iterable[ChunkRef]) -> Iterator[Part]:
    """The file's chunks in parts of about 16 MiB, laid out over its extents. Raises what `refs` raises."""
    places = ((extent.offset, extent.length) for extent in extents_of(entry))
    at, left = 0, 0
    extents: list[Extent] = []
    held: list[ChunkRef] = []
    size = 0
    for ref in refs:
        wanted = ref.length
        while wanted:
            if not left:
                at, left = next(places)
            length = min(wanted, left)
            if extents and extents[-1].offset + extents[-1].length == at:
                extents[-1] = Extent(extents[-1].offset, extents[-1].length + length)
            else:
                extents.append(Extent(at, length))
            at, left, wanted = at + length, left - length, wanted - length
        held.append(ref)
        size += ref.length
        if size >= PART_BYTES or len(held) >= PART_CHUNKS:
            yield Part(tuple(extents), tuple(held))
            extents, held, size = [], [], 0
    if held:
        yield Part(tuple(extents), tuple(held))
