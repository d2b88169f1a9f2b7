"""A file's birth time, which Python 3.11 doesn't give on Linux: statx(2) through ctypes."""

import ctypes
import os
import struct
from typing import Any

_AT_EMPTY_PATH = 0x1000
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_STATX_DONT_SYNC = 0x4000
_STATX_BTIME = 0x800
_STRUCT_BYTES = 256
_MASK_AND_BTIME = struct.Struct("@I76xqI")
"""`stx_mask` at the start, `stx_btime` 80 bytes from it."""
_SECOND_NS = 10**9


class BirthTimes:
    """Not thread-safe: reuses one buffer."""

    def __init__(self) -> None:
        self._buffer = ctypes.create_string_buffer(_STRUCT_BYTES)
        self._statx: Any = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)
        if self._statx is not None:
            self._statx.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)

    def of(self, fd: int, name: bytes = b"") -> int | None:
        """Nanoseconds since the epoch, of the open file, or of `name` in the open folder (a link itself). None where
        file system or kernel don't know."""
        if self._statx is None:
            return None
        flags = _AT_STATX_DONT_SYNC | (_AT_SYMLINK_NOFOLLOW if name else _AT_EMPTY_PATH)
        if self._statx(fd, name, flags, _STATX_BTIME, self._buffer) != 0:
            return None
        mask, seconds, nanoseconds = _MASK_AND_BTIME.unpack_from(self._buffer)
        return seconds * _SECOND_NS + nanoseconds if mask & _STATX_BTIME else None


def type_bits(mode: int) -> int:
    """The file type of an `st_mode`."""
    return mode & 0o170000


def same_object(one: os.stat_result, two: os.stat_result) -> bool:
    """Whether both describe the same inode and type."""
    return one.st_ino == two.st_ino and one.st_dev == two.st_dev and type_bits(one.st_mode) == type_bits(two.st_mode)
