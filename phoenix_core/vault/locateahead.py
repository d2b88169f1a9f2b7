"""Reads trees one by one, yet asks where they lie for some hundred at once."""

from collections.abc import Iterable, Iterator, Sequence

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.location import Locate, Location

ASK_CHUNKS = 256
HINTED_MAX = 2**16
KNOWN_MAX = 2**13
"""Locations that are kept: hints are followed soon, so few of the older ones are asked for again."""


class LocateAhead:
    """Asks the node also for trees that will be wanted soon: one call for some hundred folders instead of one each."""

    def __init__(self, locate: Locate) -> None:
        self._locate = locate
        self._hinted: dict[ChunkId, None] = {}
        self._known: dict[ChunkId, Location | None] = {}

    def hint(self, ids: Sequence[ChunkId]) -> None:
        """These will be wanted, in this order, before those hinted earlier."""
        if len(self._hinted) > HINTED_MAX:
            self._hinted.clear()
        for chunk in reversed(ids):
            self._hinted.pop(chunk, None)
            self._hinted[chunk] = None

    def __call__(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        wanted = [chunk for chunk in ids if chunk not in self._known]
        if wanted:
            for chunk in wanted:
                self._hinted.pop(chunk, None)
            while self._hinted and len(wanted) < ASK_CHUNKS:
                wanted.append(self._hinted.popitem()[0])
            if len(self._known) > KNOWN_MAX:
                self._known = {chunk: self._known[chunk] for chunk in ids if chunk in self._known}
            self._known.update(zip(wanted, self._locate(wanted), strict=True))
        return [self._known[chunk] for chunk in ids]

    def forget(self, chunk: ChunkId) -> None:
        """Ask anew where it lies."""
        self._known.pop(chunk, None)

    def forget_all(self) -> None:
        """Ask anew where each of them lies."""
        self._known.clear()


class AheadSource:
    """Chunks by a reader that locates by `ahead`. Where a chunk moved since it was located, it is looked for again."""

    def __init__(self, reader: ChunkReader, ahead: LocateAhead) -> None:
        self._reader = reader
        self._ahead = ahead

    def hint(self, ids: Sequence[ChunkId]) -> None:
        """As `LocateAhead.hint`."""
        self._ahead.hint(ids)

    def read_one(self, chunk: ChunkId) -> bytes:
        try:
            return self._reader.read_one(chunk)
        except PhoenixError:
            self._ahead.forget(chunk)
            return self._reader.read_one(chunk)

    def read(self, ids: Iterable[ChunkId]) -> Iterator[tuple[ChunkId, bytes]]:
        return ((chunk, self.read_one(chunk)) for chunk in self._hinted(list(ids)))

    def _hinted(self, ids: list[ChunkId]) -> list[ChunkId]:
        self._ahead.hint(ids)
        return ids
