"""Waits for names to appear in a folder, by the kernel's own notice: fast enough to act while a job goes on."""

import ctypes
import os
import select
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.watch import WITHIN_S

_CREATE, _MOVED_TO = 0x100, 0x80
_HEAD = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Appearing:
    """Sees every name that appears in `folder` from its making on."""

    def __init__(self, folder: Path) -> None:
        self._fd = _libc.inotify_init1(os.O_CLOEXEC)
        if self._fd < 0 or _libc.inotify_add_watch(self._fd, os.fsencode(folder), _CREATE | _MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)

    def wait(self) -> list[str]:
        """The next names, at least one."""
        ready, _, _ = select.select([self._fd], [], [], WITHIN_S)
        assert ready, "nothing appeared"
        data = os.read(self._fd, 1 << 16)
        names = []
        at = 0
        while at < len(data):
            *_, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            names.append(data[at : at + length].rstrip(b"\0").decode())
            at += length
        return names
