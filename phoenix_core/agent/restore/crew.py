"""Who does a restore's work: worker processes, as many as there is work for, or for a small restore the job itself."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from phoenix_core.agent.restore import workermessages as wire
from phoenix_core.agent.restore.blockplan import BATCH_BYTES, BATCH_FILES
from phoenix_core.agent.restore.dispatch import Pool
from phoenix_core.agent.restore.inline import INLINE_BYTES, INLINE_ENTRIES, InlinePool
from phoenix_core.agent.restore.planned import PlanCounts
from phoenix_core.agent.restore.worker import worker_main
from phoenix_core.agent.workerpool import WorkerPool
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.tlsfiles import TlsFiles
from phoenix_core.domain.errors import RemoteError
from phoenix_core.storage.node_api import JobNode

WORKERS_MAX = 8
FromWorker = wire.Done | wire.Working


@dataclass(frozen=True)
class Target:
    """The destination once it is open: its path and identity, and the stamp of names that `keep_both` makes."""

    path: bytes
    device: int
    inode: int
    stamp: str


class Crew:
    def __init__(self, order: RestoreOrder, tls: TlsFiles | None) -> None:
        self._order = order
        self._tls = tls
        self._token = order.storage.token
        self._target: Target | None = None
        self.pool: Pool = WorkerPool(worker_main, self._setup, _take)

    def expect(self, counts: PlanCounts) -> None:
        """So much will have to be done, by what is known so far: start a worker, so that it gets ready meanwhile."""
        if not self._order.check_only and not self._is_small(counts) and len(self.pool) < self.size_for(counts):
            self.pool.start_one()

    def begin(self, counts: PlanCounts, target: Target, node: JobNode, tick: Callable[[], None]) -> None:
        """The work is known, and where it goes. `node` and `tick` serve a small restore."""
        self._target = target
        if self._is_small(counts):
            self.pool.stop()
            self.pool = InlinePool(node, self._setup, tick)

    def size_for(self, counts: PlanCounts) -> int:
        """As many workers as processors, but no more than there is work for."""
        most = self._order.workers or min(max(len(os.sched_getaffinity(0)), 2), WORKERS_MAX)
        wanted = 1 + max(counts.data_bytes // BATCH_BYTES, (counts.files + counts.others) // BATCH_FILES)
        return max(1, min(most, wanted))

    def use_token(self, token: str) -> None:
        """Have all workers, and those that begin later, go on with this storage token."""
        self._token = token
        self.pool.send_all(wire.encode(wire.Token(token)))

    def stop(self) -> None:
        """End all workers at once."""
        self.pool.stop()

    def _is_small(self, counts: PlanCounts) -> bool:
        """Whether other processes are not worth their start; an order that names their number gets them."""
        entries = counts.files + counts.others
        return not self._order.workers and entries <= INLINE_ENTRIES and counts.data_bytes <= INLINE_BYTES

    def _setup(self, number: int) -> bytes:
        """A worker's first message, once there is something to restore."""
        order, tls, target = self._order, self._tls, self._target
        assert target is not None
        return wire.encode(
            wire.Setup(
                number,
                order.job,
                order.domain,
                msgspec.structs.replace(order.storage, token=self._token),
                wire.TlsPaths(str(tls.cert), str(tls.key), str(tls.ca)) if tls else None,
                target.path,
                target.device,
                target.inode,
                order.conflict,
                target.stamp,
                order.nice,
            )
        )


def _take(message: bytes) -> FromWorker:
    """Raises the error that a worker failed with."""
    decoded: wire.FromWorker = wire.from_worker.decode(message)
    if isinstance(decoded, wire.Failed):
        raise RemoteError(decoded.error)
    return decoded
