"""The proof of new packs gives way to everything else on the host."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from phoenix_core.host.priority import NICE_LOWEST, lowest_priority


def test_only_the_thread_itself_has_the_lowest_priority() -> None:
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with ThreadPoolExecutor(1, initializer=lowest_priority) as pool:
        inside = pool.submit(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).result()
    assert inside == NICE_LOWEST
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
