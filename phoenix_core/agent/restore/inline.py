"""A small restore is done in the job's own process: starting others would take longer than all of it."""

from collections.abc import Callable

from phoenix_core.agent.restore import workermessages as wire
from phoenix_core.agent.restore.workbench import Workbench
from phoenix_core.storage.node_api import JobNode

INLINE_ENTRIES = 64
INLINE_BYTES = 8 * 2**20


class InlinePool:
    """In place of a `WorkerPool`: one worker that works when it is sent something."""

    def __init__(self, node: JobNode, first_message: Callable[[int], bytes], tick: Callable[[], None]) -> None:
        """`node` stays the caller's. `tick` is called after each chunk; what it raises ends the restore."""
        self._node = node
        self._first_message = first_message
        self._tick = tick
        self._bench: Workbench | None = None
        self._done: list[tuple[int, wire.Done | wire.Working]] = []
        self._started = 0

    def __len__(self) -> int:
        return self._started

    def start_one(self) -> None:
        self._started += 1

    def send(self, worker: int, message: bytes) -> None:
        """Do the work at once. Raises what it raises."""
        if self._bench is None:
            setup = wire.to_worker.decode(self._first_message(worker))
            assert isinstance(setup, wire.Setup)
            self._bench = Workbench(setup, self._node, self._tick)
        work = wire.to_worker.decode(message)
        if isinstance(work, wire.Batch | wire.Links | wire.Large):
            self._done.append((worker, self._bench.do(work)))

    def send_all(self, message: bytes) -> None:
        """Tokens: the job's node uses them already."""

    def receive(self, timeout_s: float) -> list[tuple[int, wire.Done | wire.Working]]:
        """What has been done; doesn't wait."""
        found, self._done = self._done, []
        return found

    def stop(self) -> None:
        if self._bench is not None:
            self._bench.close()
            self._bench = None
