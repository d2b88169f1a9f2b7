"""What is the same in every worker process: how it starts, dies with its job's process, and tells what ended it."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

from phoenix_core.agent.errors import WorkerFailed
from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.vault.malloc import keep_large_buffers

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15


def run_worker(
    name: str, connection: Connection, work: Callable[[Connection], None], failed: Callable[[ErrorView], bytes]
) -> None:
    """Run `work` until it returns or raises; what it raises goes to the job as the message that `failed` makes. `name`:
    what `top` and `ps -e` show, at most 15 bytes of ASCII.

    It ends with the job's process, when the pipe does (`work` reads it in a thread of its own), and with the process
    that started it, by the kernel's parent-death signal."""
    _live_on_signals_but_not_alone(name)
    keep_large_buffers()
    try:
        work(connection)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(1)
    except PhoenixError as error:
        _tell(connection, failed(error.view()))
    except Exception as error:
        _tell(connection, failed(WorkerFailed(detail=_where(error)).view()))


def _live_on_signals_but_not_alone(name: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a service manager tells all processes; the job ends its workers
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_NAME, name.encode())


def _tell(connection: Connection, message: bytes) -> None:
    try:
        connection.send_bytes(message)
    except OSError:
        os._exit(1)


def _where(error: Exception) -> str:
    """The error with the place it came from."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = f" at {os.path.basename(at.tb_frame.f_code.co_filename)}:{at.tb_lineno}" if at else ""
    return f"{type(error).__name__}: {error}{place}"
