"""What the core lets a job read, which may still grow while the job plans."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.locateahead import LocateAhead
from phoenix_core.vault.location import Locate, Location


class GrowingGrant:
    """Of one job; not thread-safe."""

    def __init__(self, ports: JobPorts, tick: Callable[[], None], *, grows: bool) -> None:
        """`tick` is called at least once a second while it waits; what it raises ends that. `grows`: as in the order;
        without it all is granted from the start."""
        self._ports = ports
        self._tick = tick
        self._step = 0
        self.is_whole = not grows

    def await_more(self) -> None:
        """Wait until more is granted, or a second. Raises what `tick` does, and why there is no grant."""
        self._tick()
        self._step, self.is_whole = self._ports.grown(self._step)
        self._tick()

    def await_whole(self) -> None:
        """Raises as `await_more`."""
        while not self.is_whole:
            self.await_more()

    def locating(self, locate: Locate) -> Locate:
        """Asks where chunks lie until all of them are granted, or nothing more is."""

        def located(ids: Sequence[ChunkId]) -> list[Location | None]:
            while True:
                was_whole = self.is_whole
                places = list(locate(ids))
                if was_whole or None not in places:
                    return places
                self.await_more()

        return located


class GrantedChunks:
    """A `ChunkSource`. Nothing is given up for damaged as long as a better copy of it may yet be granted."""

    def __init__(self, reader: ChunkReader, ahead: LocateAhead, grant: GrowingGrant) -> None:
        """`ahead` is where the reader's locations come from."""
        self._reader = reader
        self._ahead = ahead
        self._grant = grant
        self._located_whole = grant.is_whole
        """Whether all that `ahead` knows comes from the whole grant."""

    def read_one(self, chunk: ChunkId) -> bytes:
        """As `ChunkReader.read_one`; raises what waiting for the grant does, too."""
        if self._located_whole:
            return self._reader.read_one(chunk)
        try:
            return self._reader.read_one(chunk)
        except PhoenixError as error:
            if not damage_reason(error):
                raise
        self._grant.await_whole()
        self._ahead.forget_all()
        self._located_whole = True
        return self._reader.read_one(chunk)

    def read(self, ids: Iterable[ChunkId]) -> Iterator[tuple[ChunkId, bytes]]:
        if self._located_whole:
            return self._reader.read(ids)
        wanted = list(ids)
        self._ahead.hint(wanted)
        return ((chunk, self.read_one(chunk)) for chunk in wanted)
