"""Hands files to the workers in batches and gives their results back in the order of the scan (WF1.4)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from phoenix_core.agent.backup import workermessages as wire
from phoenix_core.agent.backup.fileresult import FileResult
from phoenix_core.agent.backup.pool import BackupPool
from phoenix_core.agent.backup.records import ReadItem

BATCH_BYTES = 8 * 2**20
BATCH_FILES = 256
ALONE_BYTES = 64 * 2**20
QUEUED_PER_WORKER = 3
WINDOW_BATCHES = 512
"""How far the workers may be ahead of the trees: a bound on the results that wait for a slow file."""
WAIT_S = 0.25


@dataclass
class TransferCounts:
    files_done: int = 0
    bytes_done: int = 0
    """Of the files read, holes left out, as the scan saw them."""
    current: bytes = b""
    new_chunks: int = 0
    new_raw_bytes: int = 0
    stored_bytes: int = 0


@dataclass
class _WorkerState:
    batches: dict[int, list[ReadItem]] = field(default_factory=dict)
    queued_bytes: int = 0
    bytes_of_batch: int = 0
    stats: wire.WorkerStats = field(default_factory=wire.WorkerStats)


def batches(items: Iterator[ReadItem]) -> Iterator[list[ReadItem]]:
    """Some hundred small files, or about 8 MiB, or one large file."""
    held: list[ReadItem] = []
    size = 0
    for item in items:
        if held and item.data_bytes >= ALONE_BYTES:
            yield held
            held, size = [], 0
        held.append(item)
        size += item.data_bytes
        if size >= BATCH_BYTES or len(held) >= BATCH_FILES:
            yield held
            held, size = [], 0
    if held:
        yield held


class Transfer:
    """One thread drives it: `next_result` keeps the workers busy while it waits for the next file in order."""

    def __init__(self, pool: BackupPool, items: Iterator[ReadItem], workers: int, tick: Callable[[], None]) -> None:
        """`items` in the order of the scan; up to `workers` processes. `tick` is called several times a second; what it
        raises ends the transfer."""
        self.counts = TransferCounts()
        self.packs: list[bytes] = []
        self._pool = pool
        self._batches = batches(items)
        self._next_batch: list[ReadItem] | None = None
        self._exhausted = False
        self._limit = workers
        self._tick = tick
        self._states: list[_WorkerState] = []
        self._results: dict[int, tuple[FileResult, ...]] = {}
        self._sent = 0
        self._delivered = 0
        self._current: Iterator[FileResult] = iter(())
        self._extra = 0
        self._flushed = 0

    def next_result(self) -> FileResult:
        """What became of the next file. Raises the error that ended a worker, `WorkerDied`, and what `tick` raises."""
        while True:
            result = next(self._current, None)
            if result is not None:
                return result
            self._current = iter(self._wait_for(self._delivered))
            self._delivered += 1

    def read_now(self, item: ReadItem) -> FileResult:
        """Have a file read out of order."""
        self._extra -= 1
        number = self._extra
        worker = self._least_busy() if self._states else self._start()
        self._send(worker, number, [item])
        return self._wait_for(number)[0]

    def begin_flush(self) -> None:
        """All results were taken: have the workers send what they still hold."""
        for worker in range(len(self._states)):
            self._pool.send(worker, wire.encode(wire.Flush()))

    def finish_flush(self) -> None:
        """Wait until everything is durable at the storage node; the workers end."""
        while self._flushed < len(self._states):
            self._take()

    def _wait_for(self, number: int) -> tuple[FileResult, ...]:
        self._feed()
        while number not in self._results:
            self._take()
            self._feed()
        return self._results.pop(number)

    def _feed(self) -> None:
        while self._sent - self._delivered < WINDOW_BATCHES:
            if self._next_batch is None:
                self._next_batch = next(self._batches, None)
                if self._next_batch is None:
                    return
            worker = self._worker_for()
            if worker is None:
                return
            self._send(worker, self._sent, self._next_batch)
            self._sent += 1
            self._next_batch = None

    def _worker_for(self) -> int | None:
        if self._states:
            worker = self._least_busy()
            if not self._states[worker].batches or len(self._states) >= self._limit:
                return worker if len(self._states[worker].batches) < QUEUED_PER_WORKER else None
        return self._start()

    def _start(self) -> int:
        self._states.append(_WorkerState())
        if len(self._pool) < len(self._states):
            self._pool.start_one()
        return len(self._states) - 1

    def _least_busy(self) -> int:
        return min(
            range(len(self._states)), key=lambda at: (self._states[at].queued_bytes, len(self._states[at].batches))
        )

    def _send(self, worker: int, number: int, items: list[ReadItem]) -> None:
        state = self._states[worker]
        state.batches[number] = items
        state.queued_bytes += _weight(items)
        self._pool.send(worker, wire.encode(wire.Batch(number, tuple(items))))

    def _take(self) -> None:
        for worker, message in self._pool.receive(WAIT_S):
            state = self._states[worker]
            if isinstance(message, wire.Done):
                items = state.batches.pop(message.number)
                state.queued_bytes -= _weight(items)
                self.counts.files_done += len(items)
                self.counts.bytes_done += sum(item.data_bytes for item in items) - state.bytes_of_batch
                state.bytes_of_batch = 0
                self.counts.current = items[-1].path
                self._results[message.number] = message.results
                self._count(state, message.stats)
            elif isinstance(message, wire.Working):
                self.counts.bytes_done += message.bytes_done - state.bytes_of_batch
                state.bytes_of_batch = message.bytes_done
                self.counts.current = message.path
                self._count(state, message.stats)
            elif isinstance(message, wire.Flushed):
                self._count(state, message.stats)
                self.packs += message.packs
                self._flushed += 1
        self._tick()

    def _count(self, state: _WorkerState, stats: wire.WorkerStats) -> None:
        self.counts.new_chunks += stats.new_chunks - state.stats.new_chunks
        self.counts.new_raw_bytes += stats.new_raw_bytes - state.stats.new_raw_bytes
        self.counts.stored_bytes += stats.stored_bytes - state.stats.stored_bytes
        state.stats = stats


def _weight(items: list[ReadItem]) -> int:
    """What a batch costs, in bytes; a file by itself costs about as much as 64 KiB."""
    return sum(item.data_bytes + 65536 for item in items)
