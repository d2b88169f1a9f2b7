"""The folder that a benchmark works in."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED = Path("/dev/shm")
OPTIONS = "size=95%,nr_inodes=0,mode=0700"


@contextmanager
def work_folder(parent: str) -> Iterator[Path]:
    """A new folder below `parent`; without one, a file system in memory where there is one. As root that is one of its
    own with any number of files: a tree of a million, what is restored of it and a cache with a file for each don't fit
    in the shared one. Removed at the end."""
    folder = Path(parent or (SHARED if SHARED.is_dir() else "/tmp")) / f"phoenix-bench-{os.getpid()}"
    folder.mkdir()
    mounted = not parent and os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", OPTIONS, "bench", str(folder))
    try:
        yield folder
    finally:
        if mounted:
            _run("umount", "--lazy", str(folder))
        shutil.rmtree(folder, ignore_errors=True)


def _run(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
