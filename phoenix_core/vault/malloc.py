"""How a process that moves data handles memory: buffers are kept while it works, and given back afterwards.

Without these, glibc returns megabyte buffers to the kernel at every free and page faults dominate; every thread
gets a heap of its own that stays as large as it ever was; Python looks for reference cycles so often that it costs a
fifth of a scan, though entries and locations never form any.
"""

import ctypes
import gc
import sys
from contextlib import suppress

_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 2
_COLLECT_AFTER = 20_000
_KEEP_BYTES = 32 * 2**20
_PAD_BYTES = 16 * 2**20


def keep_large_buffers() -> bool:
    """Call at the start of a process that moves data. False where the C library is not glibc: malloc is as it was then.
    The threshold is 32 MiB, the most that glibc takes."""
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = (
        (_M_ARENA_MAX, _ARENAS),
        (_M_MMAP_THRESHOLD, _KEEP_BYTES),
        (_M_TRIM_THRESHOLD, 2 * _KEEP_BYTES),
        (_M_TOP_PAD, _PAD_BYTES),
    )
    return all(mallopt(option, value) for option, value in settings)


def give_back_memory() -> None:
    """Look for reference cycles, and return what is free to the kernel, after work that took much."""
    gc.collect()
    trim_memory()


def trim_memory() -> None:
    """Return what is free to the kernel; other threads run meanwhile. Takes some milliseconds."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
