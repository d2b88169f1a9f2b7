"""Waits for what happens to names in folders, by the kernel's own notice: fast enough to act while a job goes on."""

import ctypes
import os
import select
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.watch import WITHIN_S

_ATTRIB, _MOVED_TO, _CREATE, _DELETE = 0x4, 0x80, 0x100, 0x200
COMES, GOES, GETS_METADATA = _CREATE | _MOVED_TO, _DELETE, _ATTRIB
_HEAD = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Watched:
    """Sees every name that comes into the folders, goes out of them or gets metadata there, from its making on."""

    def __init__(self, *folders: Path, what: int = COMES) -> None:
        self._fd = _libc.inotify_init1(os.O_CLOEXEC)
        for folder in folders:
            if _libc.inotify_add_watch(self._fd, os.fsencode(folder), what) < 0:
                raise OSError(ctypes.get_errno(), "inotify", str(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)

    def wait(self) -> list[str]:
        """The next names, at least one."""
        names = self.look(WITHIN_S)
        assert names, "nothing happened to any name"
        return names

    def look(self, within_s: float) -> list[str]:
        """The next names; none where nothing happens to any within that time."""
        ready, _, _ = select.select([self._fd], [], [], within_s)
        if not ready:
            return []
        data = os.read(self._fd, 1 << 16)
        names = []
        at = 0
        while at < len(data):
            *_, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            names.append(data[at : at + length].rstrip(b"\0").decode())
            at += length
        return names
