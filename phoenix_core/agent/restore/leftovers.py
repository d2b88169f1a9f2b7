"""Removes the temporary files of workers that were stopped in the middle of their work."""

import os
from collections.abc import Iterable
from contextlib import suppress

from phoenix_core.agent.restore.folders import FolderCache, proc_path
from phoenix_core.agent.restore.slots import temp_prefix


def remove_leftovers(folders: FolderCache, job: str, paths: Iterable[bytes]) -> None:
    """In these folders, of a job whose workers have ended; closes `folders`. What can't be removed now goes when the
    restore is resumed."""
    prefix = temp_prefix(job)
    for path in paths:
        with suppress(OSError):
            folder = folders.open(path)
            for name in os.listdir(proc_path(folder)):
                if name.startswith(prefix):
                    with suppress(OSError):
                        os.unlink(name, dir_fd=folder)
    folders.close()
