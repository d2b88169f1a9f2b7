"""What became of a file that a worker was to read."""

from collections.abc import Iterator

import msgspec

from phoenix_core.vault.entry import ChunkRef, Entry

REF_BYTES = 36


class FileResult(msgspec.Struct, frozen=True, array_like=True):
    """What became of one file."""

    entry: Entry | None = None
    """None: it is missing."""
    packed_chunks: bytes = b""
    """Where there are too many chunks for the entry: all of them, packed by `pack_ref`."""
    reason: str = ""
    """Why it is missing."""
    path: bytes = b""
    """Of a missing file."""
    changed: bool = False
    """It was being changed while it was read: the content is from more than one moment."""
    read_bytes: int = 0


def pack_ref(ref: ChunkRef) -> bytes:
    """A chunk's id and length in 36 bytes."""
    return ref.id + ref.length.to_bytes(4, "little")


def unpack_refs(packed: bytes) -> Iterator[ChunkRef]:
    for at in range(0, len(packed), REF_BYTES):
        yield ChunkRef(packed[at : at + 32], int.from_bytes(packed[at + 32 : at + REF_BYTES], "little"))
