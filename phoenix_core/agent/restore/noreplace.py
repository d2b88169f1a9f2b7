"""Renames without replacing what may have appeared under the new name meanwhile: renameat2(2) with RENAME_NOREPLACE."""

import ctypes
import errno
import os

RENAME_NOREPLACE = 1
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL})
_libc = ctypes.CDLL(None, use_errno=True)
_renameat2 = getattr(_libc, "renameat2", None)


def rename_to_free_name(folder: int, old: bytes, new: bytes) -> None:
    """Rename within an open folder. Raises FileExistsError where the new name is taken, else OSError.

    A file system without the flag gets an ordinary rename, after a look."""
    if _renameat2 is not None:
        if _renameat2(folder, old, folder, new, RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _UNSUPPORTED:
            raise OSError(number, os.strerror(number), new)
    try:
        os.lstat(new, dir_fd=folder)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
