"""Whoever has workers started, they begin with the agent's own priorities."""

import os
import signal
import threading
from multiprocessing.connection import Connection

import psutil
import pytest

from phoenix_core.agent import workerstart
from phoenix_core.host.courtesy import yield_thread

TOLD_S = 30.0
Priorities = tuple[int, int]


def priorities() -> Priorities:
    thread = threading.get_native_id()
    return os.getpriority(os.PRIO_PROCESS, thread), psutil.Process(thread).ionice().value


def _tell(connection: Connection) -> None:
    connection.send((priorities(), os.getppid()))


def of_a_worker() -> tuple[Priorities, int]:
    """A new worker's priorities, and the process that forked it."""
    context = workerstart.worker_context()
    here, there = context.Pipe()
    process = context.Process(target=_tell, args=(there,))
    workerstart.start(process)
    there.close()
    assert here.poll(TOLD_S)
    told: tuple[Priorities, int] = here.recv()
    process.join()
    return told


def test_a_server_of_workers_that_a_backup_finds_dead_gives_way_no_more_than_the_agent() -> None:
    before = priorities()
    workerstart.get_ready()
    usual, server = of_a_worker()
    if server == os.getpid():
        pytest.skip("workers aren't forked by a server here")
    assert usual == before
    found: list[tuple[Priorities, int]] = []

    def backup() -> None:
        yield_thread(15)
        found.append(of_a_worker())

    dead = psutil.Process(server)
    os.kill(server, signal.SIGKILL)
    while dead.is_running() and dead.status() != psutil.STATUS_ZOMBIE:
        os.sched_yield()
    thread = threading.Thread(target=backup)
    thread.start()
    thread.join()
    found.append(of_a_worker())
    assert [each for each, _ in found] == [before, before]
    assert {forked_by for _, forked_by in found}.isdisjoint({server, os.getpid()})
