"""The packs that a worker reads, the last ones kept open, so that a block costs one read."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from phoenix_core.domain.ids import PackId
from phoenix_core.vault.location import OpenPack

KEPT = 16


class PackShelf:
    """Its `open_pack` is what a `ChunkReader` takes. Not thread-safe."""

    def __init__(self, open_pack: Callable[[PackId], AbstractContextManager[OpenPack]], kept: int = KEPT) -> None:
        self._open_pack = open_pack
        self._kept = kept
        self._open: OrderedDict[PackId, tuple[ExitStack, OpenPack]] = OrderedDict()
        self.fetched_bytes = 0
        """Bytes that came from storage."""

    @contextmanager
    def open_pack(self, pack_id: PackId) -> Iterator[OpenPack]:
        """The pack stays open after the block. Raises what the node raises."""
        if pack_id in self._open:
            self._open.move_to_end(pack_id)
        else:
            stack = ExitStack()
            self._open[pack_id] = (stack, stack.enter_context(self._open_pack(pack_id)))
            if len(self._open) > self._kept:
                self._open.popitem(last=False)[1][0].close()
        yield _Counted(self, self._open[pack_id][1])

    def close(self) -> None:
        for stack, _ in self._open.values():
            stack.close()
        self._open.clear()


class _Counted:
    def __init__(self, shelf: PackShelf, pack: OpenPack) -> None:
        self._shelf = shelf
        self._pack = pack

    def pread(self, length: int, offset: int) -> bytes:
        data = self._pack.pread(length, offset)
        self._shelf.fetched_bytes += len(data)
        return data
