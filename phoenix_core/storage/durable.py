"""Files that survive a power cut: write aside, sync, make visible under the final name, sync the folder."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phoenix_core.host.atomicfile import make_folders, sync_folder
from phoenix_core.storage.errors import ObjectMissing, StorageFailed, StorageFull, StorageReadOnly

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


@contextmanager
def told(action: str, name: str, place: str) -> Iterator[None]:
    """Turn the system's errors into this package's: full or read-only disk, missing object, anything else."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(place=place, name=name) from error
    except OSError as error:
        detail = error.strerror or str(error)
        if error.errno in _FULL:
            raise StorageFull(place=place, detail=f"{action} of {name}: {detail}") from error
        if error.errno == errno.EROFS:
            raise StorageReadOnly(place=place, detail=f"{action} of {name}: {detail}") from error
        raise StorageFailed(action=action, name=name, place=place, detail=detail) from error


class DurableFolders:
    """The folders below a root, each made where it isn't there, and its name synced once before it is relied on.

    Whoever made it, another thread or a process that died, may not have come to that."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._synced: set[Path] = set()

    def need(self, folder: Path) -> None:
        """Have `folder`, which is the root or below it, there durably."""
        if folder in self._synced and folder.is_dir():
            return
        if folder == self._root:
            make_folders(folder)  # what lies above it may be nothing that this user can open
        else:
            self.need(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            sync_folder(folder.parent)
        self._synced.add(folder)


def publish(temporary: Path, final: Path, *, replace: bool) -> bool:
    """Give a synced temporary file its name, durably. False, and the file is gone, where the name is taken; whose it is
    is durable too then."""
    if replace:
        temporary.replace(final)
    else:
        try:
            final.hardlink_to(temporary)
        except FileExistsError:
            temporary.unlink()
            sync_folder(final.parent)
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if final.exists():  # a file system without hard links; the vault has one owner, so this is enough
                temporary.unlink()
                sync_folder(final.parent)
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
