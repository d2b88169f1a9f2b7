"""The descriptors of the folders that a scan is in: at most `OPEN_FOLDERS` of them are kept open."""

import os

from phoenix_core.agent.backup.filesystem_errors import reason_of
from phoenix_core.agent.backup.folders import is_folder_of, open_folder_at, open_folder_in
from phoenix_core.agent.backup.levels import Level
from phoenix_core.agent.backup.views import Views

OPEN_FOLDERS = 200


class OpenFolders:
    def __init__(self, stack: list[Level], views: Views) -> None:
        """`stack`: the scan's, from `/` down."""
        self._stack = stack
        self._views = views

    def limit(self) -> None:
        """Give up the descriptor of the folder that is one too many above."""
        if len(self._stack) > OPEN_FOLDERS:
            shallow = self._stack[-OPEN_FOLDERS - 1]
            if shallow.fd >= 0:
                os.close(shallow.fd)
                shallow.fd = -1

    def reopen(self, level: Level, below: int) -> bool:
        """Open again a folder whose descriptor was given up, from one in it; false where it can't be found."""
        for attempt in ("..", "path"):
            try:
                fd = open_folder_in(below, b"..") if attempt == ".." else open_folder_at(self._views.real(level.path))
            except OSError as error:
                reason_of(error)
                continue
            if is_folder_of(fd, level.status):
                level.fd = fd
                return True
            os.close(fd)
        level.fd = os.open(b"/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return False

    def close(self) -> None:
        for level in self._stack:
            if level.fd >= 0:
                os.close(level.fd)
