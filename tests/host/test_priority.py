"""Work that gives way: only the thread itself, and never with more priority than before."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from phoenix_core.host.courtesy import NICE_LOWEST, yield_thread


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
