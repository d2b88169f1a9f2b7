"""A pool of workers whose fork server dies at the worst moments."""

import os
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from multiprocessing.connection import Connection

import pytest

from phoenix_core.agent import workerstart
from phoenix_core.agent.errors import WorkerDied
from phoenix_core.agent.workerpool import WorkerPool
from tests.agent.workers import fork_servers_of

WAIT_S = 20.0


def echo(connection: Connection) -> None:
    """A worker's main function."""
    while True:
        connection.send_bytes(connection.recv_bytes())


@pytest.fixture
def pool() -> Iterator[WorkerPool[bytes]]:
    made = WorkerPool(echo, lambda number: b"first", bytes)
    yield made
    made.stop()


def kill_fork_server() -> None:
    workerstart.get_ready()
    (server,) = fork_servers_of(os.getpid())
    server.kill()


def answers(pool: WorkerPool[bytes]) -> list[bytes]:
    pool.send(0, b"second")
    found: list[bytes] = []
    while len(found) < 2:
        more = pool.receive(WAIT_S)
        assert more
        found += [message for _, message in more]
    return found


def test_a_worker_is_started_after_the_fork_server_was_killed(pool: WorkerPool[bytes]) -> None:
    kill_fork_server()
    pool.start_one()
    assert answers(pool) == [b"first", b"second"]


def test_a_worker_is_started_although_the_fork_server_dies_as_it_forks(
    pool: WorkerPool[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    workerstart.get_ready()
    (server,) = fork_servers_of(os.getpid())
    server.suspend()
    read: Callable[[int], int] = forkserver.read_signed

    def read_of_the_dead(fd: int) -> int:
        server.kill()
        monkeypatch.setattr(forkserver, "read_signed", read)
        return read(fd)

    monkeypatch.setattr(forkserver, "read_signed", read_of_the_dead)
    pool.start_one()
    assert answers(pool) == [b"first", b"second"]


def test_a_worker_that_can_never_be_started_is_told_as_one_that_died(
    pool: WorkerPool[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(process: object) -> None:
        raise EOFError

    monkeypatch.setattr(workerstart, "start", refused)
    with pytest.raises(WorkerDied, match="could not start: EOFError"):
        pool.start_one()
