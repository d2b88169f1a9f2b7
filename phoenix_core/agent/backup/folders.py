"""Opens folders by descent, never through a symbolic link, whatever the length of the path."""

import os
from collections import OrderedDict

from phoenix_core.agent.backup.filesystem_errors import reason_of
from phoenix_core.agent.backup.views import LIVE, Views

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = _FOLDER | os.O_RDONLY | os.O_NONBLOCK
KEPT_FOLDERS = 64


def open_folder_in(folder: int, name: bytes, *, path_only: bool = False) -> int:
    """A descriptor of the folder `name` in the open one; `path_only` needs no right to list it. Raises OSError."""
    if path_only:
        return os.open(name, _FOLDER | os.O_PATH, dir_fd=folder)
    try:
        return os.open(name, _READ | os.O_NOATIME, dir_fd=folder)
    except PermissionError:
        return os.open(name, _READ, dir_fd=folder)


def open_path(path: bytes) -> int:
    """A descriptor, for its path only, of the folder at an absolute path without links. Raises OSError."""
    fd = os.open(b"/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in path.split(b"/"):
        if name:
            try:
                below = os.open(name, _FOLDER | os.O_PATH, dir_fd=fd)
            finally:
                os.close(fd)
            fd = below
    return fd


def open_folder_at(path: bytes, *, path_only: bool = False) -> int:
    """As `open_folder_in`, by an absolute path without links. Raises OSError."""
    fd = open_path(path)
    if path_only:
        return fd
    try:
        return open_folder_in(fd, b".")
    finally:
        os.close(fd)


def open_folder_of(views: Views, path: bytes, above: int, name: bytes, *, path_only: bool = False) -> int:
    """The folder of a live path: its name in the open one above, unless it is read elsewhere. Raises OSError."""
    elsewhere = views.begins(path)
    if elsewhere is not None:
        return open_folder_at(elsewhere, path_only=path_only)
    return open_folder_in(above, name, path_only=path_only)


def listing(fd: int) -> list[bytes]:
    """The names in an open folder, sorted. Raises OSError."""
    return sorted([os.fsencode(name) for name in os.listdir(fd)])


class FolderCache:
    """Folders open for their path; those used last are kept, so that neighbours cost one call."""

    def __init__(self, kept: int = KEPT_FOLDERS, views: Views = LIVE) -> None:
        self._kept = kept
        self._views = views
        self._open: OrderedDict[bytes, int] = OrderedDict()

    def open(self, path: bytes) -> int:
        """The descriptor belongs to the cache and is good until the next call. Raises OSError."""
        fd = self._open.get(path)
        if fd is not None:
            self._open.move_to_end(path)
            return fd
        above, _, name = path.rpartition(b"/")
        near = self._open.get(above) if self._views.begins(path) is None else None
        if near is not None and name:
            fd = os.open(name, _FOLDER | os.O_PATH, dir_fd=near)
        else:
            fd = open_path(self._views.real(path))
        self._open[path] = fd
        if len(self._open) > self._kept:
            os.close(self._open.popitem(last=False)[1])
        return fd

    def forget(self, path: bytes) -> None:
        """Let go of a folder, so that the next `open` finds what is there then."""
        fd = self._open.pop(path, None)
        if fd is not None:
            os.close(fd)

    def close(self) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()


def is_folder_of(fd: int, status: os.stat_result) -> bool:
    """Whether the open folder is the one of this status; false where the kernel can't say."""
    try:
        return os.path.samestat(os.fstat(fd), status)
    except OSError as error:
        reason_of(error)
        return False
