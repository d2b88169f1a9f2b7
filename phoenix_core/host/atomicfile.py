"""Small files that are either the old ones or the new ones, whatever happens in between."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from phoenix_core.host.process import IS_WINDOWS


def write_atomic(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the file, durably (file and folder synced). It has `mode` from its first moment. Raises OSError."""
    fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            if not IS_WINDOWS:  # there the folder's rights are inherited
                os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folders(folder: Path, mode: int = 0o700) -> None:
    """Make the folder, and with the usual mode the ones above it that aren't there, durably. Raises OSError."""
    if folder.is_dir():
        return
    make_folders(folder.parent, 0o777)
    folder.mkdir(mode=mode, exist_ok=True)
    _sync_name(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. On Windows its file systems log them by themselves."""
    if IS_WINDOWS:
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folders(root: Path) -> None:
    """Make the folder's name durable, and those in it and in all folders below. Does nothing where it isn't there."""
    for folder, _, _ in os.walk(root):
        sync_folder(Path(folder))
    if root.is_dir():
        _sync_name(root)


def _sync_name(folder: Path) -> None:
    """Does nothing where the folder lies in one that this user may not list, as some make or mount them for others."""
    with suppress(PermissionError):
        sync_folder(folder.parent)
