"""The lowest priority for work that may wait for everything else."""

import os
import sys
import threading
from contextlib import suppress

import psutil

NICE_LOWEST = 19


def lowest_priority() -> None:
    """Of the calling thread, for good: processor and, where the I/O scheduler heeds it, disk. What the system refuses
    stays as it was."""
    if not sys.platform.startswith("linux"):
        return
    thread = threading.get_native_id()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, NICE_LOWEST)
    with suppress(OSError, psutil.Error):
        psutil.Process(thread).ionice(psutil.IOPRIO_CLASS_IDLE)
