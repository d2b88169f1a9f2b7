"""Work on many things side by side, with the results in order: for what spends its time in C, which lets other threads
run meanwhile (decryption, decompression, hashing, reading)."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

THREADS_MAX = 4
Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[tuple[Item, Result], None, None]:
    """Each item with what `work` makes of it, in order; as many threads as there are processors, up to four.

    Raises what `work` raises, when the iteration comes to it; those begun are waited for then, and no others begun.
    Close it where the iteration may be left before its end."""
    threads = min(THREADS_MAX, len(os.sched_getaffinity(0)))
    begun: deque[tuple[Item, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="side-by-side")
    try:
        for item in items:
            begun.append((item, pool.submit(work, item)))
            if len(begun) > 2 * threads:
                first, future = begun.popleft()
                yield first, future.result()
        for first, future in begun:
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)
