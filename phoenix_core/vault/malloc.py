"""Has glibc keep megabyte buffers instead of returning them to the kernel at every free."""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_KEEP_BYTES = 32 * 2**20
_PAD_BYTES = 16 * 2**20


def keep_large_buffers() -> bool:
    """Call at the start of a process that moves data; page faults would dominate otherwise. False where the C library
    is not glibc, and then nothing changed. The threshold is 32 MiB, the most that glibc takes."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_MMAP_THRESHOLD, _KEEP_BYTES), (_M_TRIM_THRESHOLD, 8 * _KEEP_BYTES), (_M_TOP_PAD, _PAD_BYTES))
    return all(mallopt(option, value) for option, value in settings)
