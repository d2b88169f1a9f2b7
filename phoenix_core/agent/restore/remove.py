"""Removes what is in the way of a restored entry, without following links and without leaving its file system; and
counts beforehand what that will be."""

import errno
import os
from collections.abc import Callable

from phoenix_core.agent.restore.folders import Descent, proc_path
from phoenix_core.agent.restore.ownfolders import kind_of


def remove_folder(folder: int, name: bytes, *, with_content: bool, whatever_its_modes: bool = False) -> int:
    """Remove the folder `name` in the open one; returns how many entries were below it. `whatever_its_modes`: folders
    that their owner may not write to are opened up first.

    Raises OSError: ENOTEMPTY where it holds something and `with_content` is false, EBUSY where something is mounted on
    or in it."""
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST} or not with_content:
            raise
    else:
        return 0
    descent = Descent(folder)
    try:
        return _remove(descent, name, whatever_its_modes=whatever_its_modes)
    finally:
        descent.close()


def count_below(folder: int, name: bytes, tick: Callable[[], None]) -> int:
    """How many entries the folder `name` in the open one holds, at any depth; -1 where Phoenix keeps data of its own in
    it. What can't be read counts as empty. `tick` is called for each folder; what it raises ends the count."""
    descent = Descent(folder)
    try:
        return _count(descent, name, tick)
    finally:
        descent.close()


def _count(descent: Descent, top: bytes, tick: Callable[[], None]) -> int:
    count, device = 0, descent.device
    stack: list[list[bytes]] = [[top]]
    while stack:
        if not stack[-1]:
            stack.pop()
            if stack:
                descent.leave()
            continue
        name = stack[-1].pop()
        try:
            descent.enter(name)
        except OSError:
            continue
        tick()
        if kind_of(descent.fd):
            return -1
        names, folders = _listing(descent.fd) if descent.device == device else (0, [])
        count += names
        stack.append(folders)
    return count


def _listing(folder: int) -> tuple[int, list[bytes]]:
    """How many names are in the open folder, and those of its folders."""
    count, folders = 0, []
    try:
        with os.scandir(proc_path(folder)) as entries:
            for entry in entries:
                count += 1
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
    except OSError:
        return count, folders
    return count, folders


def _remove(descent: Descent, top: bytes, *, whatever_its_modes: bool) -> int:
    count = 0
    device = descent.device
    stack: list[tuple[bytes, list[bytes]]] = []
    entering: bytes | None = top
    while True:
        if entering is not None:
            descent.enter(entering)
            if descent.device != device:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            if whatever_its_modes:
                os.chmod(proc_path(descent.fd), 0o700)
            stack.append((entering, os.listdir(proc_path(descent.fd))))
            entering = None
        name, left = stack[-1]
        if left:
            count += 1
            entering = _unlink(descent.fd, left.pop())
            continue
        stack.pop()
        descent.leave()
        os.rmdir(name, dir_fd=descent.fd)
        if not stack:
            return count


def _unlink(folder: int, name: bytes) -> bytes | None:
    """Returns the name if it is that of a folder."""
    try:
        os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        return name
    except FileNotFoundError:
        return None
    return None
