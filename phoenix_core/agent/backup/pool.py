"""The worker processes of one backup."""

from collections.abc import Callable

from phoenix_core.agent.backup import workermessages as wire
from phoenix_core.agent.workerpool import Main, WorkerPool
from phoenix_core.domain.errors import RemoteError

BackupPool = WorkerPool[wire.FromWorker]


def backup_pool(main: Main, setup: Callable[[int], wire.Setup]) -> BackupPool:
    """A pool without a worker yet; `main` is the processes' function. `setup` is asked, by the worker's number, when
    one gets its first work."""
    return WorkerPool(
        main, lambda number: wire.encode(setup(number)), _take, lambda message: isinstance(message, wire.Flushed)
    )


def _take(message: bytes) -> wire.FromWorker:
    """Raises the error that a worker failed with."""
    decoded: wire.FromWorker = wire.from_worker.decode(message)
    if isinstance(decoded, wire.Failed):
        raise RemoteError(decoded.error)
    return decoded
