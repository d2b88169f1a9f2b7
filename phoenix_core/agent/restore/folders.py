"""Folders of the destination, opened by descent from its root and never through a symbolic link.

Paths are relative to the root, without a slash in front; the root itself is `b""`. All descriptors are for the path
only (`O_PATH`): that needs no right to list a folder, and is what the other `*at` calls take.
"""

import os
from collections import OrderedDict
from dataclasses import dataclass

from phoenix_core.agent.restore.errors import DestinationMoved
from phoenix_core.agent.restore.records import join
from phoenix_core.domain.names import shown

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_FOLDERS = 128
Identity = tuple[int, int]


def identity_of(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def open_root(path: bytes) -> int:
    """The destination, whose path the administrator chose: links in it are followed. Raises OSError."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def open_below(folder: int, name: bytes) -> int:
    """Raises OSError: ENOTDIR or ELOOP for a link and everything else that is no folder."""
    return os.open(name, _FOLDER, dir_fd=folder)


def proc_path(fd: int) -> bytes:
    """A path that stands for an open descriptor, for calls that don't take one that is open for its path only."""
    return b"/proc/self/fd/%d" % fd


class FolderCache:
    """Open folders below the root; those used last are kept, so that neighbours cost one call."""

    def __init__(self, root: int, kept: int = OPEN_FOLDERS) -> None:
        """`root` stays the caller's."""
        self._root = root
        self._kept = kept
        self._open: OrderedDict[bytes, int] = OrderedDict()

    def open(self, path: bytes) -> int:
        """The descriptor belongs to the cache and is good until the next call. Raises OSError."""
        fd = self._open.get(path)
        if fd is not None:
            self._open.move_to_end(path)
            return fd
        near, missing = path, []
        while near and near not in self._open:
            near, _, name = near.rpartition(b"/")
            missing.append(name)
        fd = self._open[near] if near else self._root
        for name in reversed(missing):
            fd = open_below(fd, name)
            near = join(near, name)
            self._open[near] = fd
            if len(self._open) > self._kept:
                os.close(self._open.popitem(last=False)[1])
        return fd

    def close(self) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()


@dataclass(slots=True)
class _Level:
    fd: int
    identity: Identity


class Descent:
    """Goes down into folders and up again, however deep; keeps at most `OPEN_FOLDERS` of them open."""

    def __init__(self, root: int) -> None:
        """`root` stays the caller's."""
        self._levels = [_Level(os.dup(root), identity_of(os.fstat(root)))]

    @property
    def fd(self) -> int:
        """The folder that it is in."""
        return self._levels[-1].fd

    @property
    def device(self) -> int:
        return self._levels[-1].identity[0]

    def enter(self, name: bytes) -> None:
        """Raises OSError, and has then not moved."""
        fd = open_below(self.fd, name)
        self._levels.append(_Level(fd, identity_of(os.fstat(fd))))
        if len(self._levels) > OPEN_FOLDERS:
            shallow = self._levels[-OPEN_FOLDERS - 1]
            if shallow.fd >= 0:
                os.close(shallow.fd)
                shallow.fd = -1

    def leave(self) -> None:
        """Raises `DestinationMoved` where the folder above is no longer the one that it came from."""
        os.close(self.leave_open())

    def leave_open(self) -> int:
        """As `leave`, and gives the folder that was left, still open; the caller closes it."""
        level = self._levels.pop()
        above = self._levels[-1]
        if above.fd < 0:
            try:
                above.fd = self._reopen(level.fd, above.identity)
            except BaseException:
                os.close(level.fd)
                raise
        return level.fd

    def close(self) -> None:
        for level in self._levels:
            if level.fd >= 0:
                os.close(level.fd)
        self._levels.clear()

    @staticmethod
    def _reopen(below: int, identity: Identity) -> int:
        where = os.readlink(proc_path(below))
        try:
            fd = open_below(below, b"..")
        except OSError as error:
            raise DestinationMoved(path=shown(where)) from error
        if identity_of(os.fstat(fd)) != identity:
            os.close(fd)
            raise DestinationMoved(path=shown(where))
        return fd
