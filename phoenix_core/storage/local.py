"""Objects as files below one folder; archived ones below a second, possibly slow one."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.host.atomicfile import make_folders, sync_folder, sync_folders
from phoenix_core.host.filesystem import network_kind
from phoenix_core.storage.coldfolder import ColdFolder
from phoenix_core.storage.durable import DurableFolders, told
from phoenix_core.storage.errors import ObjectMissing
from phoenix_core.storage.objectstore import ObjectInfo, Space, ThawState, Tier, checked_name
from phoenix_core.storage.staged import StagedFile

_TEMPORARY = ".incoming"
_LOCK = ".lock"


class OpenFile:
    """See `objectstore.OpenObject`."""

    def __init__(self, path: Path, name: str, place: str) -> None:
        self._name = name
        self._place = place
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.length = os.fstat(self._fd).st_size

    def pread(self, length: int, offset: int) -> bytes:
        with told("Reading", self._name, self._place):
            data = os.pread(self._fd, length, offset)
            while len(data) < length and (more := os.pread(self._fd, length - len(data), offset + len(data))):
                data += more
            return data

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class LocalStore:
    """See `objectstore.ObjectStore`. The folder is made, of mode 0700, if it isn't there."""

    def __init__(
        self, root: Path, *, archive: Path | None = None, thaw_delay_s: float = 0, clock: Clock | None = None
    ) -> None:
        self._root = root.absolute()
        self._incoming = self._root / _TEMPORARY
        with told("Opening", str(self._root), str(self._root)):
            make_folders(self._root)
            make_folders(self._incoming)
        self._folders = DurableFolders(self._root)
        self._cold = ColdFolder(archive or self._root / ".archive", thaw_delay_s, clock or SystemClock())
        self._lock_fd = -1

    @property
    def place(self) -> str:
        return str(self._root)

    def put(self, name: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> bool:
        if if_match is not None:
            return self._put_matching(name, data, if_match)
        with self.stage() as staged:
            staged.write(data)
            return staged.commit(name, replace=not if_absent)

    def stage(self) -> StagedFile:
        return StagedFile(self._root, self._incoming / secrets.token_hex(16), self._folders)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        with self.open_read(name) as opened:
            return opened.pread(opened.length - offset if length is None else length, offset)

    def open_read(self, name: str) -> OpenFile:
        with told("Opening", name, self.place):
            try:
                return OpenFile(self._path(name), name, self.place)
            except FileNotFoundError:
                return OpenFile(self._cold.readable(name), name, self.place)

    def head(self, name: str) -> ObjectInfo | None:
        for path in (self._path(name), self._cold.path(name)):
            try:
                return _info(name, path.stat())
            except (FileNotFoundError, NotADirectoryError):
                continue
        return None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with told("Listing", prefix or "everything", self.place):
            found = dict(_walk(self._root, prefix))
            found.update((name, info) for name, info in _walk(self._cold.folder, prefix) if name not in found)
        for name in sorted(found):
            yield found[name]

    def delete(self, name: str) -> None:
        with told("Deleting", name, self.place):
            self._cold.delete(checked_name(name))
            path = self._path(name)
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            sync_folder(path.parent)

    def archive(self, name: str) -> None:
        with told("Archiving", name, self.place):
            path = self._path(name)
            if not path.exists() and self._cold.path(name).exists():
                return
            self._cold.take(name, path)
            path.unlink()
            sync_folder(path.parent)

    def request_thaw(self, name: str, keep_s: int) -> None:
        with told("Thawing", name, self.place):
            if not self._path(name).exists():
                self._cold.request_thaw(name, keep_s)

    def thaw_state(self, name: str) -> ThawState:
        warm, cold = self._path(name).exists(), self._cold.path(name).exists()
        if warm:
            return ThawState(Tier.ARCHIVING if cold else Tier.WARM)
        if cold:
            return self._cold.state(name)
        raise ObjectMissing(place=self.place, name=name)

    def space(self) -> Space:
        with told("Asking for the free space", "", self.place):
            found = os.statvfs(self._root)
        return Space(free_bytes=found.f_bavail * found.f_frsize, total_bytes=found.f_blocks * found.f_frsize)

    def sweep_leftovers(self) -> int:
        with told("Clearing", _TEMPORARY, self.place):
            left = list(self._incoming.iterdir())
            for path in left:
                path.unlink(missing_ok=True)
        return len(left) + self._cold.sweep_leftovers()

    def settle(self) -> None:
        with told("Syncing", "its folders", self.place):
            sync_folders(self._root)
            self._cold.settle()

    def sole_user(self) -> bool | None:
        """A file lock, which the kernel drops with its process; on a network file system it proves nothing."""
        if self._lock_fd < 0:
            with told("Locking", _LOCK, self.place):
                fd = os.open(self._root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return False
            except OSError:
                os.close(fd)
                return None
            self._lock_fd = fd
        return None if network_kind(self._root) else True

    def close(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _path(self, name: str) -> Path:
        return self._root / checked_name(name)

    def _put_matching(self, name: str, data: bytes, version: str) -> bool:
        """Compare and swap under a lock of its own, so that two nodes can't both win."""
        with told("Writing", name, self.place):
            fd = os.open(self._root / f"{_LOCK}-swap", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                found = self.head(name)
                if found is None or found.version != version:
                    return False
                return self.put(name, data)
            finally:
                os.close(fd)


def _info(name: str, found: os.stat_result) -> ObjectInfo:
    return ObjectInfo(name=name, bytes=found.st_size, version=f"{found.st_mtime_ns}-{found.st_ino}-{found.st_size}")


def _walk(root: Path, prefix: str) -> Iterator[tuple[str, ObjectInfo]]:
    folder, _, _ = prefix.rpartition("/")
    pending = [folder]
    while pending:
        at = pending.pop()
        try:
            entries = list(os.scandir(root / at))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            name = f"{at}/{entry.name}" if at else entry.name
            if entry.name.startswith(".") or not (name.startswith(prefix) or prefix.startswith(f"{name}/")):
                continue
            if entry.is_dir(follow_symlinks=False):
                pending.append(name)
            elif name.startswith(prefix):
                try:
                    yield name, _info(name, entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue
