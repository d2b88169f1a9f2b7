"""How a process is told to stop: SIGTERM, SIGINT and a hang-up; on Windows Ctrl-C and Ctrl-Break."""

import asyncio
import signal
from collections.abc import Callable

from phoenix_core.host.process import IS_WINDOWS

HANG_UP: tuple[signal.Signals, ...] = tuple(filter(None, [getattr(signal, "SIGHUP", None)]))
"""The signal that a terminal which goes away sends; none on Windows."""
_BREAK: tuple[signal.Signals, ...] = tuple(filter(None, [getattr(signal, "SIGBREAK", None)]))
_STOP: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGINT, *_BREAK)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set. To be called in the main thread, on the running loop."""
    stop = asyncio.Event()
    for number in _STOP:
        call_on_signal(number, stop.set)
    return stop


def call_on_signal(number: signal.Signals, call: Callable[[], object]) -> None:
    """Have the running loop call this at each such signal. To be called in the main thread."""
    loop = asyncio.get_running_loop()
    if IS_WINDOWS:  # its loops take no handlers
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(call))
    else:
        loop.add_signal_handler(number, call)
