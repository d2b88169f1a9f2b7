"""Removes what is in the way of a restored entry, without following links and without leaving its file system."""

import errno
import os

from phoenix_core.agent.restore.folders import Descent, proc_path


def remove_folder(folder: int, name: bytes, *, with_content: bool) -> None:
    """Remove the folder `name` in the open one. Raises OSError: ENOTEMPTY where it holds something and `with_content`
    is false, EBUSY where something is mounted on or in it."""
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST} or not with_content:
            raise
    else:
        return
    descent = Descent(folder)
    try:
        _remove(descent, name)
    finally:
        descent.close()


def _remove(descent: Descent, top: bytes) -> None:
    device = descent.device
    stack: list[tuple[bytes, list[bytes]]] = []
    entering: bytes | None = top
    while True:
        if entering is not None:
            descent.enter(entering)
            if descent.device != device:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            stack.append((entering, os.listdir(proc_path(descent.fd))))
            entering = None
        name, left = stack[-1]
        if left:
            entering = _unlink(descent.fd, left.pop())
            continue
        stack.pop()
        descent.leave()
        os.rmdir(name, dir_fd=descent.fd)
        if not stack:
            return


def _unlink(folder: int, name: bytes) -> bytes | None:
    """Returns the name if it is that of a folder."""
    try:
        os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        return name
    except FileNotFoundError:
        return None
    return None
