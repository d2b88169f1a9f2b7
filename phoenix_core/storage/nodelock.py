"""One node per index folder, and whether the node before it, or the machine, went down without stopping it in order."""

import fcntl
import os
from pathlib import Path

from phoenix_core.host.atomicfile import make_folders, sync_folder
from phoenix_core.host.processid import boot_id
from phoenix_core.storage.errors import NodeRunning

_LOCK = "node.lock"


class NodeLock:
    """The lock file holds the boot id of the machine while a node runs, nothing once one stopped in order."""

    def __init__(self, folder: Path) -> None:
        """Raises NodeRunning."""
        make_folders(folder)
        new = not (folder / _LOCK).exists()
        self._fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._fd)
            raise NodeRunning(folder=folder) from error
        now = boot_id().encode()
        before = os.pread(self._fd, 64, 0)
        self._check_due = before not in {b"", now}
        self.orderly = before == b"" and not new
        """Whether the node before it is known to have been stopped in order."""
        self._write(now)
        sync_folder(folder)

    def check_due(self) -> bool:
        """True, once, where the machine went down under the last node: its disk may not have kept what it promised."""
        due, self._check_due = self._check_due, False
        return due

    def release(self) -> None:
        if self._fd >= 0:
            self._write(b"")
            os.close(self._fd)
            self._fd = -1

    def _write(self, content: bytes) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, content, 0)
        os.fsync(self._fd)
