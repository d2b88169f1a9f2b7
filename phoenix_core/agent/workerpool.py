"""The worker processes of one job, as the job sees them."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from phoenix_core.agent import workerstart
from phoenix_core.agent.errors import WorkerDied

STOP_WAIT_S = 1.0
START_TRIES = 5
START_AGAIN_S = 0.05
"""A server of workers that was killed takes some time to be seen as dead."""
Main = Callable[[Connection], None]
Received = TypeVar("Received")


class WorkerPool(Generic[Received]):
    """Starts workers one by one and carries messages. One thread only."""

    def __init__(
        self,
        main: Main,
        first_message: Callable[[int], bytes],
        take: Callable[[bytes], Received],
        is_last: Callable[[Received], bool] = lambda message: False,
    ) -> None:
        """`main` is the processes' function. `first_message` makes what worker number n, from 0, is sent before
        anything else, when there is something to send. `take` decodes what a worker sends; it raises the error that a
        worker ended with. `is_last`: after this message a worker ends, and that is no error."""
        self._main = main
        self._first_message = first_message
        self._take = take
        self._is_last = is_last
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []
        self._greeted: set[int] = set()
        self._ended: set[int] = set()

    def __len__(self) -> int:
        return len(self._processes)

    @property
    def process_ids(self) -> list[int]:
        return [process.pid for process in self._processes if process.pid is not None]

    def start_one(self) -> None:
        """Start a further worker; it gets ready while the job goes on. Raises `WorkerDied`."""
        for left in reversed(range(START_TRIES)):
            try:
                self._try_to_start()
            except (OSError, EOFError) as error:
                if not left:
                    raise WorkerDied(how=f"it could not start: {str(error) or type(error).__name__}") from error
                time.sleep(START_AGAIN_S)
            else:
                return

    def _try_to_start(self) -> None:
        """With a pipe of its own: what a try before this one left may still read the other end of the last one."""
        context = workerstart.worker_context()
        here, there = context.Pipe(duplex=True)
        process = context.Process(target=self._main, args=(there,), name=f"phoenix-worker-{len(self) + 1}", daemon=True)
        try:
            workerstart.start(process)
        except BaseException:
            here.close()
            raise
        finally:
            there.close()
        self._processes.append(process)
        self._pipes.append(here)

    def send(self, worker: int, message: bytes) -> None:
        """Raises what ended the worker, if it has."""
        try:
            if worker not in self._greeted:
                self._greeted.add(worker)
                self._pipes[worker].send_bytes(self._first_message(worker))
            self._pipes[worker].send_bytes(message)
        except OSError:
            for _ in self._drain(worker):
                pass
            raise self._death(worker) from None

    def send_all(self, message: bytes) -> None:
        """To all that have begun and not ended."""
        for worker in sorted(self._greeted):
            if worker not in self._ended:
                self.send(worker, message)

    def receive(self, timeout_s: float) -> list[tuple[int, Received]]:
        """What has come from workers; waits for it up to `timeout_s`. Raises what `take` raises, and `WorkerDied`."""
        awaited = {pipe: number for number, pipe in enumerate(self._pipes) if number not in self._ended}
        messages: list[tuple[int, Received]] = []
        for pipe in wait(list(awaited), timeout_s):
            worker = awaited[pipe]  # type: ignore[index]  # on Windows a pipe's type is another one
            messages += [(worker, message) for message in self._drain(worker)]
        return messages

    def stop(self) -> None:
        """End all workers at once."""
        for process in self._processes:
            if process.is_alive():
                process.kill()
        for process in self._processes:
            process.join(STOP_WAIT_S)
            with suppress(ValueError):
                process.close()
        for pipe in self._pipes:
            pipe.close()
        for held in (self._processes, self._pipes, self._greeted, self._ended):
            held.clear()

    def _drain(self, worker: int) -> Iterator[Received]:
        pipe = self._pipes[worker]
        while worker not in self._ended:
            try:
                if not pipe.poll():
                    return
                received = pipe.recv_bytes()
            except (EOFError, OSError):
                raise self._death(worker) from None
            message = self._take(received)
            if self._is_last(message):
                self._ended.add(worker)
            yield message

    def _death(self, worker: int) -> WorkerDied:
        process = self._processes[worker]
        process.join(STOP_WAIT_S)
        code = process.exitcode
        if code == workerstart.SERVER_DIED:
            return WorkerDied(how="the process that starts the workers died")
        if code is not None and code < 0:
            return WorkerDied(how=signal.Signals(-code).name)
        return WorkerDied(how="its pipe closed" if code is None else f"exit code {code}")
