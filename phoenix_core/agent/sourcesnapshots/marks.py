"""What an agent remembers of the snapshots that it makes: a *mark*, written before one is made and removed after it is
gone.

A mark is a file in the agent's folder, locked by whoever works with its snapshot. So a mark that isn't locked is of a
backup that was killed, and its snapshot is nobody's but ours to delete.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from phoenix_core.host.atomicfile import make_folders, sync_folder

FOLDER = "sourcesnapshots"
PREFIX = "phoenix_"
"""How the name of each snapshot begins."""
_SUFFIX = ".json"


class Mark(msgspec.Struct, frozen=True):
    kind: str
    """`Btrfs`, `LVM` or `ZFS`."""
    job: str
    name: str
    volume: str
    """Of LVM `group/volume`, of ZFS the dataset, of Btrfs the subvolume's live path in shown form."""
    folder: bytes = b""
    """Of Btrfs the folder that it lies in; of LVM the one where it is mounted."""
    parent: str = ""
    """The uuid of the Btrfs subvolume that it is a snapshot of."""
    place: str = ""
    """Of Btrfs: on what the folder lies, so that something else that is mounted there later isn't taken for it."""
    id: str = ""
    """Its own uuid or guid; empty: not known yet."""


class HeldMark:
    """A mark that is locked by this process."""

    def __init__(self, path: Path, mark: Mark, fd: int) -> None:
        self._path = path
        self._fd = fd
        self.mark = mark

    @property
    def path(self) -> Path:
        return self._path

    @property
    def age_s(self) -> float:
        """Since it was written; 0 where the clock went back since. Raises OSError."""
        return max(0.0, time.time() - os.fstat(self._fd).st_mtime)

    def update(self, mark: Mark) -> None:
        """Raises OSError."""
        before, self._fd = self._fd, _write(self._path, mark)
        self.mark = mark
        os.close(before)

    def remove(self) -> None:
        """Once the snapshot is gone. Raises OSError."""
        self._path.unlink(missing_ok=True)
        sync_folder(self._path.parent)
        self.let_go()

    def let_go(self) -> None:
        """The next sweep may try."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Marks:
    """Raises OSError where the folder can't be used."""

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / FOLDER

    def get_ready(self) -> None:
        make_folders(self.folder)

    def add(self, mark: Mark) -> HeldMark:
        path = self.folder / (mark.name + _SUFFIX)
        return HeldMark(path, mark, _write(path, mark))

    def left(self) -> Iterator[HeldMark]:
        """Those that nobody works with; each is locked until it is removed or let go."""
        for path in sorted(self.folder.glob(PREFIX + "*" + _SUFFIX)):
            with _opened(path) as fd:
                if fd is None:
                    continue
                held = HeldMark(path, _read(fd), os.dup(fd))
            try:
                yield held
            finally:
                held.let_go()

    def places(self) -> list[bytes]:
        """Where snapshots lie that may be there now, so that no backup takes one for files of the server."""
        found = []
        for path in self.folder.glob(PREFIX + "*" + _SUFFIX):
            try:
                mark = msgspec.json.decode(path.read_bytes(), type=Mark)
            except (OSError, msgspec.MsgspecError):
                continue
            if mark.kind == "Btrfs":  # those of LVM lie in the agent's folder, those of ZFS can't be met
                found.append(os.path.join(mark.folder, mark.name.encode()))
        return found


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    """A descriptor with the lock; None where somebody else has it, or the mark is gone or can't be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _read(fd)
            is_it = os.path.samestat(os.fstat(fd), os.stat(path))
        except (OSError, msgspec.MsgspecError):
            is_it = False
        yield fd if is_it else None
    finally:
        os.close(fd)


def _read(fd: int) -> Mark:
    return msgspec.json.decode(os.pread(fd, 1 << 16, 0), type=Mark)


def _write(path: Path, mark: Mark) -> int:
    """Durably, and locked from its first moment: the descriptor that holds the lock."""
    fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, msgspec.json.encode(mark))
        os.fsync(fd)
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        os.close(fd)
        raise
    return fd
