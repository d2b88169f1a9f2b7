"""How worker processes come to be: a server process that has imported what they need forks them, in some milliseconds.

A worker that starts from nothing imports for 0.2 s, as long as a backup takes in which little has changed. The server
has one thread, and ends once agent and workers have. If it dies, its workers die with it, and the next worker starts
another one. Where the system can't fork, workers start from nothing."""

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Windows has but the second
    from multiprocessing.context import ForkServerContext, SpawnContext

PRELOADED = "phoenix_core.agent.preloaded"
HELD_BACK = (signal.SIGTERM, signal.SIGINT)
"""A service manager tells all processes; workers let them pass once they ignore them, their server never does."""
SERVER_DIED = 255
"""The exit code that multiprocessing gives a worker whose server died before it could tell the real one."""
_FORKS = "forkserver" in multiprocessing.get_all_start_methods() and sys.version_info >= (3, 11, 1)
"""Python 3.11.0's server listens where any user of the host can reach it (CVE-2022-42919)."""
_starter = ThreadPoolExecutor(1, thread_name_prefix="worker-start")
"""One thread starts the server, again too if it died, and the workers. On Linux what a thread starts has its
priorities, so that a backup's thread would leave its own to all workers to come, a restore's included. This one begins
with the first call of `get_ready`."""


def _start_server() -> None:
    if _FORKS:
        from multiprocessing import forkserver, resource_tracker  # other systems have neither

        resource_tracker.ensure_running()  # what the fork server would start otherwise; it unblocks signals as it does
        with _signals_held_back():
            forkserver.set_forkserver_preload([PRELOADED])
            forkserver.ensure_running()


def _start(process: BaseProcess) -> None:
    with _signals_held_back():
        process.start()


def worker_context() -> "ForkServerContext | SpawnContext":
    """The context whose pipes and processes belong together."""
    return multiprocessing.get_context("forkserver") if _FORKS else multiprocessing.get_context("spawn")


def get_ready() -> None:
    """Start the server, which then imports; returns at once. Does nothing if it runs.

    A process's first call is to come from a thread that gives way to nothing."""
    _starter.submit(_start_server).result()


def start(process: BaseProcess) -> None:
    """Start a process of `worker_context`. It has SIGTERM and SIGINT blocked.

    Raises OSError or EOFError, also where the server dies meanwhile; the process may run even so: its pipes must not be
    used any more."""
    get_ready()
    _starter.submit(_start, process).result()


@contextmanager
def _signals_held_back() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
