"""Cuts a file's content, as its windows give it, into chunks."""

from collections.abc import Callable, Iterator

from phoenix_core.agent.backup.contentwindows import ContentWindows
from phoenix_core.agent.backup.fileresult import pack_ref
from phoenix_core.vault.chunker import Chunker
from phoenix_core.vault.entry import ChunkRef
from phoenix_core.vault.filelists import CHUNKS_INLINE_MAX

AddChunk = Callable[[memoryview], ChunkRef]


class Cutter:
    """Owns the chunker of one worker. Not thread-safe."""

    def __init__(self, add: AddChunk, chunker_seed: int) -> None:
        """`add` stores a chunk."""
        self._add = add
        self._chunker = Chunker(chunker_seed)

    def cut(self, windows: ContentWindows, *, is_large: bool, fixed: bool) -> tuple[tuple[ChunkRef, ...], bytes]:
        """The chunks, as a list if they are few enough for an entry, else packed. A file that isn't large is one.

        Raises what `add` and the windows raise."""
        if not is_large:
            data = windows.next()
            return ((self._add(data),) if data is not None else ()), b""
        refs: list[ChunkRef] = []
        packed = bytearray()
        for data in self._pieces(windows, fixed=fixed):
            ref = self._add(data)
            if packed:
                packed += pack_ref(ref)
            else:
                refs.append(ref)
                if len(refs) > CHUNKS_INLINE_MAX:
                    packed += b"".join(map(pack_ref, refs))
                    refs.clear()
        return tuple(refs), bytes(packed)

    def _pieces(self, windows: ContentWindows, *, fixed: bool) -> Iterator[memoryview]:
        """Of a disk image each window, aligned at 1 MiB, is a chunk."""
        if not fixed:
            yield from self._chunker.cut(windows.read_into)
            return
        while (data := windows.next()) is not None:
            yield data
