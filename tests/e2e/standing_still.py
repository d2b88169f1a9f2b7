"""Worker processes of agents, held so that what they work on can't end."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil


@contextmanager
def standing_still(agents: Sequence[int]) -> Iterator[None]:
    """The workers of these processes stand still meanwhile."""
    workers = [worker for agent in agents for worker in psutil.Process(agent).children(recursive=True)]
    assert workers
    for worker in workers:
        os.kill(worker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGCONT)
