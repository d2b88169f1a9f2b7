"""Opens a file of this host for reading: never through a link, without waiting, and leaving its access time alone."""

import errno
import os

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_file_in(folder: int, name: bytes) -> int:
    """A descriptor of the file `name` in the open folder. Its access time changes only where this user can't keep it
    from that. Raises OSError."""
    try:
        return os.open(name, _OPEN | os.O_NOATIME, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        return os.open(name, _OPEN, dir_fd=folder)
