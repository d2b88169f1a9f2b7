"""Sends packs to the storage node in a thread, so that a worker fills the next one meanwhile."""

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

from phoenix_core.domain.ids import PackId
from phoenix_core.vault.packwriter import FinishedPack

AT_ONCE = 1
"""Packs that are being sent while the next one is filled; each takes its size of memory."""


class PackSender:
    """Takes packs from one thread. `put` is called in another one, pack by pack."""

    def __init__(self, put: Callable[[PackId, int, int], None]) -> None:
        """`put` stores a pack durably: its id, an open file that holds it from the start, its length in bytes."""
        self._put = put
        self._queue: SimpleQueue[tuple[PackId, int, int] | None] = SimpleQueue()
        self._room = threading.Semaphore(AT_ONCE)
        self._failure: BaseException | None = None
        self.stored: list[bytes] = []
        """Ids of the packs that are durable."""
        self.stored_bytes = 0
        self._thread = threading.Thread(target=self._work, name="pack-sender", daemon=True)
        self._thread.start()

    def send(self, pack: FinishedPack) -> None:
        """Have a pack sent; waits while too many do. Raises what ended an earlier one."""
        self._room.acquire()
        if self._failure is not None:
            raise self._failure
        self._queue.put((pack.pack_id, os.dup(pack.fd), pack.length))

    def finish(self) -> None:
        """Wait until all are durable. Raises what ended one; no pack is taken afterwards."""
        self._queue.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def give_up(self) -> None:
        """Have the thread end with what it was given; nothing is waited for."""
        self._queue.put(None)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            pack_id, fd, length = job
            try:
                if self._failure is None:
                    self._put(pack_id, fd, length)
                    self.stored.append(pack_id)
                    self.stored_bytes += length
            except BaseException as error:
                self._failure = error
            finally:
                os.close(fd)
                self._room.release()
