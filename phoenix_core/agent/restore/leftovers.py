"""Removes what workers left half-done that were stopped in the middle of their work."""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from phoenix_core.agent.restore.folders import FolderCache, proc_path
from phoenix_core.agent.restore.records import Item
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


def remove_half_done(folders: FolderCache, items: Iterable[Item]) -> None:
    """Of these files, which were made under their own names in folders that the restore made, those that don't have
    their size and time yet: the time is set last."""
    for item in items:
        entry = item.entry
        if not (item.fresh and entry.is_file):
            continue
        with suppress(OSError):
            folder = folders.open(item.folder)
            found = os.lstat(entry.name, dir_fd=folder)
            if stat.S_ISREG(found.st_mode) and (found.st_mtime_ns, found.st_size) != (entry.mtime_ns, entry.size):
                os.unlink(entry.name, dir_fd=folder)
