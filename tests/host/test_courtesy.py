"""Backups give way to the server's own work."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from phoenix_core.host import courtesy

Priorities = tuple[int, int]


def priorities() -> Priorities:
    """Nice value and I/O priority of the calling thread."""
    thread = threading.get_native_id()
    return os.getpriority(os.PRIO_PROCESS, thread), psutil.Process(thread).ionice().value


def in_thread(work: Callable[[], None]) -> Priorities:
    found: list[Priorities] = []

    def run() -> None:
        work()
        found.append(priorities())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def in_process(nice: int, autogroup: str) -> tuple[Priorities, bool]:
    """Priorities, and whether it leads a session, of a process that a thread started and that gave way as it did."""
    found: list[tuple[Priorities, bool]] = []

    def start() -> None:
        courtesy.yield_thread(nice)
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_given_way, args=(there, nice, autogroup))
        process.start()
        found.append(here.recv())
        process.join()

    in_thread(start)
    return found[0]


def _given_way(connection: Connection, nice: int, autogroup: str) -> None:
    courtesy.AUTOGROUP = Path(autogroup)
    courtesy.yield_process(nice)
    connection.send((priorities(), os.getsid(0) == os.getpid()))


def test_the_thread_of_a_backup_alone_gives_way() -> None:
    before = priorities()
    assert in_thread(lambda: courtesy.yield_thread(19)) == (19, 7)
    assert priorities() == before


def test_a_higher_nice_value_stays() -> None:
    def twice() -> None:
        courtesy.yield_thread(19)
        courtesy.yield_thread(17)

    assert in_thread(twice) == (19, 7)


def test_nothing_gives_way_at_nought(tmp_path: Path) -> None:
    before = priorities()
    assert in_thread(lambda: courtesy.yield_thread(0)) == before
    assert in_process(0, str(tmp_path / "autogroup")) == (before, False)
    assert not (tmp_path / "autogroup").exists()


def test_a_worker_gives_way_among_sessions_too(tmp_path: Path) -> None:
    assert in_process(18, str(tmp_path / "autogroup")) == ((18, 7), True)
    assert (tmp_path / "autogroup").read_text() == "18"


def test_a_kernel_without_autogroups_is_no_trouble(tmp_path: Path) -> None:
    assert in_process(18, str(tmp_path / "none" / "autogroup")) == ((18, 7), True)


def test_the_kernel_is_asked_again_where_it_was_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [BlockingIOError(), BlockingIOError(), None]

    class Busy:
        def write_text(self, text: str) -> None:
            answer = answers.pop(0)
            if answer is not None:
                raise answer

    monkeypatch.setattr(courtesy, "AUTOGROUP", Busy())
    monkeypatch.setattr(courtesy, "_TRY_WAIT_S", 0)
    courtesy._yield_group(10)
    assert answers == []
