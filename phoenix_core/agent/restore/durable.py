"""Brings what a restore wrote to the disk before it counts as done: syncfs(2)."""

import ctypes
import os

from phoenix_core.agent.restore.folders import proc_path

_syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)


def sync_file_system(folder: int) -> None:
    """Return once all that was written to the file system of this open folder (also of O_PATH) is durable. Blocks.

    Raises OSError where the disk reports a failure."""
    try:
        fd = os.open(proc_path(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        os.sync()
        return
    try:
        if _syncfs is None:
            os.sync()
        elif _syncfs(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(fd)
