"""A second process that walks towards the scan from the other end, so that unchanged folders cost it one look each."""

from collections.abc import Callable
from typing import Protocol

from phoenix_core.agent.backup import aheadmessages as wire
from phoenix_core.agent.backup.aheadmessages import Unchanged
from phoenix_core.agent.backup.aheadworker import worker_main
from phoenix_core.agent.backup.foundfolders import FoundFolders
from phoenix_core.agent.errors import WorkerDied
from phoenix_core.agent.workerpool import WorkerPool
from phoenix_core.domain.errors import RemoteError

LISTEN_FOLDERS = 16
FOUND_MAX = 65_536
"""About 35 MB. At so many the process waits until the scan has come to some of them."""


class Ahead(Protocol):
    def entered(self, path: bytes, tree: bytes, rules: int = 1) -> None:
        """The scan goes into a folder of this tree of the parent, where these content rules hold, and below which
        nothing is named by any. Those below another one may be told, too."""

    def seen(self, entries: int) -> None:
        """The scan has met so many entries."""

    def unchanged(self, path: bytes, tree: bytes) -> Unchanged | None:
        """Whether the folder is known to be, all the way down, as the tree says."""

    def close(self) -> None: ...


class Alone:
    """No other process."""

    def entered(self, path: bytes, tree: bytes, rules: int = 1) -> None:
        pass

    def seen(self, entries: int) -> None:
        pass

    def unchanged(self, path: bytes, tree: bytes) -> Unchanged | None:
        return None

    def close(self) -> None:
        pass


class ScanAhead:
    """Never waits for the process: it listens as it goes along, and gives an order only once the last one was taken."""

    from_entries = 2048
    """A scan that is over sooner needs no help."""

    def __init__(self, setup: Callable[[], wire.Setup], warn: Callable[[str], None]) -> None:
        """`setup` is asked once, when the process starts. `warn` is told why the scan goes on alone, if it has to."""
        self._warn = warn
        self._pool: WorkerPool[wire.FromWalker] | None = WorkerPool(
            worker_main, lambda number: wire.encode(setup()), wire.from_walker.decode
        )
        self._top: wire.Walk | None = None
        self._order: wire.Walk | None = None
        """The newest one that wasn't sent."""
        self._takes_orders = True
        self._runs = False
        self._found = FoundFolders()
        self._asked = 0

    def entered(self, path: bytes, tree: bytes, rules: int = 1) -> None:
        self._found.reach(path)
        if self._top is None or not path.startswith(self._top.path + b"/"):  # else the walk comes there anyway
            self._top = self._order = wire.Walk(path, tree, rules)
        if self._runs:
            self._listen()

    def seen(self, entries: int) -> None:
        if not self._runs and self._top is not None and entries >= self.from_entries:
            self._runs = True
            self._listen()

    def unchanged(self, path: bytes, tree: bytes) -> Unchanged | None:
        if not self._runs:
            return None
        self._asked += 1
        if self._asked % LISTEN_FOLDERS == 0:
            self._listen()
        found = self._found.reach(path)
        return found if found is not None and found.tree == tree else None

    def close(self) -> None:
        """End the process at once."""
        self._found.clear()
        if self._pool is not None:
            self._pool.stop()
            self._pool = None

    def _listen(self) -> None:
        """Take what has come, and give the newest order if the process is ready for it."""
        if self._pool is None or len(self._found) >= FOUND_MAX:
            return
        try:
            if not len(self._pool):
                self._pool.start_one()
            for _, message in self._pool.receive(0):
                self._take(message)
            if self._order is not None and self._takes_orders:
                order, self._order, self._takes_orders = self._order, None, False
                self._pool.send(0, wire.encode(order))
        except (WorkerDied, RemoteError, OSError) as error:
            self._alone(error)

    def _take(self, message: wire.FromWalker) -> None:
        if isinstance(message, wire.Failed):
            raise RemoteError(message.error)
        if isinstance(message, wire.Taken):
            self._takes_orders = True
        else:
            for folder in message.folders:
                self._found.add(folder)

    def _alone(self, error: Exception) -> None:
        """What was found stays true."""
        self._warn(f"The scan goes on in one process: {error}")
        if self._pool is not None:
            self._pool.stop()
            self._pool = None
