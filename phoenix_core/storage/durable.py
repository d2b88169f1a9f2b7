"""Files that survive a power cut: write aside, sync, make visible under the final name, sync the folder."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phoenix_core.host.atomicfile import sync_folder
from phoenix_core.storage.errors import ObjectMissing, StorageFailed, StorageFull

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


@contextmanager
def told(action: str, name: str, place: str) -> Iterator[None]:
    """Turn the system's errors into this package's: full disk, missing object, anything else."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(place=place, name=name) from error
    except OSError as error:
        detail = error.strerror or str(error)
        if error.errno in _FULL:
            raise StorageFull(place=place, detail=f"{action} of {name}: {detail}") from error
        raise StorageFailed(action=action, name=name, place=place, detail=detail) from error


def make_folder(folder: Path, root: Path) -> None:
    """Make `folder` and its parents below `root`, durably."""
    if folder.is_dir():
        return
    if folder != root:
        make_folder(folder.parent, root)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def publish(temporary: Path, final: Path, *, replace: bool) -> bool:
    """Give a synced temporary file its name, durably. False, and the file is gone, where the name is taken."""
    if replace:
        temporary.replace(final)
    else:
        try:
            final.hardlink_to(temporary)
        except FileExistsError:
            temporary.unlink()
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if final.exists():  # a file system without hard links; the vault has one owner, so this is enough
                temporary.unlink()
                return False
            temporary.rename(final)
        else:
            temporary.unlink()
    sync_folder(final.parent)
    return True


def write_all(fd: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view.nbytes:
        view = view[os.write(fd, view) :]
