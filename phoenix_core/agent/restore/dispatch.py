"""Hands work to the worker processes and takes the outcomes back, in whatever order they come."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from phoenix_core.agent.restore import workermessages as wire

QUEUED_PER_WORKER = 24
"""Enough to do while the job looks up the next window."""
WAIT_S = 0.25
_FILE_WEIGHT = 65536
_AHEAD_OF_OTHERS_BYTES = 128 * 2**20
Take = Callable[[wire.Done], None]


@dataclass
class _WorkerState:
    queued: dict[int, tuple[wire.Work, Take]] = field(default_factory=dict)
    queued_bytes: int = 0
    bytes_of_batch: int = 0
    fetched_bytes: int = 0


class Pool(Protocol):
    """Where work is done: a `WorkerPool` or an `InlinePool`."""

    def __len__(self) -> int: ...
    def start_one(self) -> None: ...
    def send(self, worker: int, message: bytes) -> None: ...
    def send_all(self, message: bytes) -> None: ...
    def receive(self, timeout_s: float) -> list[tuple[int, wire.Done | wire.Working]]: ...
    def stop(self) -> None: ...


class Dispatcher:
    """One thread drives it: `submit` waits until a worker has room, and takes outcomes meanwhile."""

    def __init__(self, pool: Pool, workers: int, tick: Callable[[], None], *, is_far: bool = False) -> None:
        """Up to `workers` processes, started as they are needed. `tick` is called several times a second; what it
        raises ends the restore. `is_far`: packs come through a network, where they are best read in order by one
        worker."""
        self.bytes_done = 0
        """Data bytes of the files that are done."""
        self.current = b""
        self._pool = pool
        self._limit = workers
        self._tick = tick
        self._states: list[_WorkerState] = []
        self._number = 0
        self._is_far = is_far
        self._pack = b""
        self._of_pack = 0

    @property
    def fetched_bytes(self) -> int:
        return sum(state.fetched_bytes for state in self._states)

    def next_number(self) -> int:
        """A number for the next piece of work."""
        self._number += 1
        return self._number

    def submit(self, work: wire.Work, take: Take) -> None:
        """Hand work out; `take` is given its outcomes once it is done.

        Raises the error that a worker failed with, `WorkerDied`, and what `tick` and `take` raise."""
        while (worker := self._worker_of_pack(work) if self._is_far else self._free_worker()) is None:
            self.receive()
        state = self._states[worker]
        state.queued[work.number] = (work, take)
        state.queued_bytes += _weight(work)
        self._pool.send(worker, wire.encode(work))

    def drain(self) -> None:
        """Wait until all work is done. Raises as `submit`."""
        while any(state.queued for state in self._states):
            self.receive()

    def unfinished(self) -> list[wire.Work]:
        """What workers had in hand."""
        return [work for state in self._states for work, _ in state.queued.values()]

    def _worker_of_pack(self, work: wire.Work) -> int | None:
        """Whoever reads the pack already, for he has read ahead in it; unless he has much more to do than others."""
        blocks = () if isinstance(work, wire.Links) else work.blocks
        worker: int | None = self._of_pack if blocks and blocks[0].pack_id == self._pack else None
        if worker is not None:
            state, least = self._states[worker], min([each.queued_bytes for each in self._states])
            if len(state.queued) >= QUEUED_PER_WORKER or state.queued_bytes - least >= _AHEAD_OF_OTHERS_BYTES:
                worker = None
        if worker is None:
            worker = self._free_worker()
        if worker is not None:
            self._pack, self._of_pack = blocks[-1].pack_id if blocks else b"", worker
        return worker

    def _free_worker(self) -> int | None:
        if self._states:
            worker = min(range(len(self._states)), key=lambda at: (self._states[at].queued_bytes, at))
            count = len(self._states[worker].queued)
            if not count or len(self._states) >= self._limit:
                return worker if count < QUEUED_PER_WORKER else None
        self._states.append(_WorkerState())
        if len(self._pool) < len(self._states):
            self._pool.start_one()
        return len(self._states) - 1

    def receive(self) -> None:
        """Take what workers have done; waits for it a moment. Raises as `submit`."""
        for worker, message in self._pool.receive(WAIT_S):
            state = self._states[worker]
            state.fetched_bytes = message.fetched_bytes
            if isinstance(message, wire.Working):
                self.bytes_done += message.bytes_done - state.bytes_of_batch
                state.bytes_of_batch = message.bytes_done
                self.current = message.path
                continue
            work, take = state.queued.pop(message.number)
            state.queued_bytes -= _weight(work)
            self.bytes_done += work.data_bytes - state.bytes_of_batch
            state.bytes_of_batch = 0
            self.current = message.path
            take(message)
        self._tick()


def _weight(work: wire.Work) -> int:
    """What it costs, in bytes; a file by itself costs about as much as 64 KiB."""
    if isinstance(work, wire.Large):
        return work.data_bytes + _FILE_WEIGHT
    return work.data_bytes + _FILE_WEIGHT * len(work.entries if isinstance(work, wire.Batch) else work.items)
