"""Waits for names to appear in folders or to go, by the kernel's own notice: fast enough to act while a job goes on."""

import ctypes
import os
import select
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.watch import WITHIN_S

_MOVED_TO, _CREATE, _DELETE = 0x80, 0x100, 0x200
_HEAD = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Watched:
    """Sees every name that comes into the folders, or with `going` goes out of them, from its making on."""

    def __init__(self, *folders: Path, going: bool = False) -> None:
        self._fd = _libc.inotify_init1(os.O_CLOEXEC)
        for folder in folders:
            if _libc.inotify_add_watch(self._fd, os.fsencode(folder), _DELETE if going else _CREATE | _MOVED_TO) < 0:
                raise OSError(ctypes.get_errno(), "inotify", str(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)

    def wait(self) -> list[str]:
        """The next names, at least one."""
        ready, _, _ = select.select([self._fd], [], [], WITHIN_S)
        assert ready, "no name came or went"
        data = os.read(self._fd, 1 << 16)
        names = []
        at = 0
        while at < len(data):
            *_, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            names.append(data[at : at + length].rstrip(b"\0").decode())
            at += length
        return names
