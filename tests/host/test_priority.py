"""Work that gives way: only the thread itself, and never with more priority than before."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from phoenix_core.host.courtesy import NICE_LOWEST, SpareProcessor, yield_thread


def own_nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.parametrize("idle_disk", [True, False])
def test_a_thread_gives_way_alone(idle_disk: bool) -> None:
    before = own_nice()
    with ThreadPoolExecutor(1, initializer=lambda: yield_thread(NICE_LOWEST, idle_disk=idle_disk)) as pool:
        assert pool.submit(own_nice).result() == NICE_LOWEST
        pool.submit(yield_thread, 1).result()
        assert pool.submit(own_nice).result() == NICE_LOWEST
    assert own_nice() == before


class Times:
    """A host whose processors were idle for `idle` seconds, on a clock that tells `now`."""

    iowait = 0.0

    def __init__(self) -> None:
        self.idle = self.now = 100.0


@pytest.mark.parametrize(("idle", "spare"), [(0.0, False), (0.7, False), (0.9, True), (2.0, True)])
def test_a_processor_is_spare_when_one_was_idle(monkeypatch: pytest.MonkeyPatch, idle: float, spare: bool) -> None:
    times = Times()
    monkeypatch.setattr("psutil.cpu_times", lambda: times)
    monkeypatch.setattr("time.monotonic", lambda: times.now)
    processor = SpareProcessor()
    assert not processor.look()
    times.idle += idle
    times.now += 1.0
    assert processor.look() is spare
