"""The scratch place of drills: a folder in the agent's own, of which nothing is backed up and nothing kept.

    STATE/drill/<job>    what the drill restored; removed at its end, and what a crash left at the agent's next start

`STATE/drill` itself stays, so that a larger file system may be mounted on it.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from phoenix_core.agent.drill.errors import ScratchUnusable
from phoenix_core.agent.restore.destination import Destination, Free, free_space
from phoenix_core.agent.restore.folders import open_root, proc_path
from phoenix_core.agent.restore.remove import remove_folder

FOLDER = "drill"
RESERVE_SHARE = 20
RESERVE_MOST_BYTES = 1 << 30

log = structlog.get_logger(__name__)


@contextmanager
def scratch_place(state_dir: Path, job: str) -> Iterator[Destination]:
    """An empty folder for this job, that is gone afterwards. Raises `ScratchUnusable`."""
    place = os.fsencode(state_dir / FOLDER)
    name = os.fsencode(job)
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        if os.path.lexists(os.path.join(place, name)):
            remove(place, name)
        os.mkdir(os.path.join(place, name), 0o700)
    except OSError as error:
        raise ScratchUnusable(place=state_dir / FOLDER, detail=error.strerror) from error
    path = os.path.join(os.path.realpath(place), name)
    try:
        yield Destination(path, is_original=False, existing=path)
    finally:
        try:
            remove(place, name)
        except OSError as error:
            log.warning("a drill's scratch place can't be removed yet", place=str(place), error=error.strerror)


def remove(place: bytes, name: bytes) -> None:
    """Raises OSError."""
    folder = open_root(place)
    try:
        remove_folder(folder, name, with_content=True, whatever_its_modes=True)
    finally:
        os.close(folder)


def sweep(state_dir: Path) -> threading.Thread | None:
    """Begin to remove what drills left that ended with the agent. Call before any drill begins."""
    place = os.fsencode(state_dir / FOLDER)
    try:
        left = sorted(os.listdir(place))
    except OSError:
        return None  # there was no drill yet
    if not left:
        return None
    thread = threading.Thread(target=_remove_all, args=(place, left), name="sweep of drills", daemon=True)
    thread.start()
    return thread


def _remove_all(place: bytes, names: list[bytes]) -> None:
    for name in names:
        try:
            remove(place, name)
        except OSError as error:
            log.warning("what a drill left can't be removed", name=os.fsdecode(name), error=error.strerror)


def free_for_drills(folder: int) -> Free:
    """As `free_space`, less what a drill leaves to others: a twentieth of the file system, at most a gibibyte."""
    found, status = free_space(folder), os.statvfs(proc_path(folder))
    reserve = min(status.f_blocks * status.f_frsize // RESERVE_SHARE, RESERVE_MOST_BYTES)
    return Free(max(0, found.bytes - reserve), found.inodes, found.block_bytes)
