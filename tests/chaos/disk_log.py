"""Records what a process does to the names and bytes below some folders, and what of it a power cut can't undo.

The functions of `os` that change names are wrapped while a recording goes on, and `Environment` of the index, whose
library writes without Python. A file's bytes are read when it is synced, gets a further name, or is used as an index;
between two such moments they may be on their way to the disk in any order.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from phoenix_core.vault.environment import DATA_FILE, Environment

PAGE = 4096
NEVER = 1 << 62
META_PAGES = frozenset({0, 1})
"""Of an LMDB file: written, and synced, after all other pages of a transaction are."""


class Died(BaseException):
    """The process is dead: nothing after this changes anything any more."""


@dataclass
class Version:
    """Bytes of a file, as pages that differ from the version before."""

    begun: int
    at: int
    size: int
    pages: dict[int, bytes]
    durable_at: int = NEVER
    last: frozenset[int] = frozenset()
    """Pages that are written once all others are on the disk."""


@dataclass(eq=False)
class Inode:
    folder: bool
    made: int
    versions: list[Version] = field(default_factory=list)


@dataclass
class NameChange:
    """A name that comes (`inode`) or goes (None) in a folder."""

    at: int
    folder: Inode
    name: str
    inode: Inode | None
    durable_at: int = NEVER
    twin: "NameChange | None" = None
    """The other half of a rename."""


class DiskLog:
    """Events are numbered from 1; a power cut falls behind one of them."""

    def __init__(self, root: Path) -> None:
        """`root` is there, empty, and durable."""
        self.root = root
        self.top = Inode(folder=True, made=0)
        self.changes: list[NameChange] = []
        self.now = 0
        self.die_at = NEVER
        """Instead of this event the process dies."""
        self.die_at_folder_sync = NEVER
        """Instead of so many-th sync of a folder from now on."""
        self.switching = False
        """Let other threads run after each call."""
        self._names: dict[str, Inode] = {str(root): self.top}
        self._inodes: dict[int, Inode] = {root.stat().st_ino: self.top}
        self._last: dict[Inode, bytes] = {}
        self._environments: list[Environment] = []
        self._lock = threading.RLock()
        self._index_lock = threading.Lock()

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            for name in ("open", "mkdir", "link", "rename", "replace", "unlink", "rmdir", "fsync"):
                held.enter_context(mock.patch.object(os, name, self._wrap(name)))
            real_write, real_init, real_table = Environment.write, Environment.__init__, Environment.table

            def write(environment: Environment, work: Callable[[Any], Any]) -> Any:
                with self._index_lock:
                    begun = self._event()
                    result = real_write(environment, work)
                    self._index_written(environment.folder, begun, synced=_syncs(environment))
                    return result

            def init(environment: Environment, *arguments: Any, **options: Any) -> None:
                self.alive()
                real_init(environment, *arguments, **options)
                self._environments.append(environment)
                self._index_written(environment.folder, self._event(), synced=False)

            def table(environment: Environment, name: str, **options: Any) -> Any:
                with self._index_lock:
                    begun = self._event()
                    result = real_table(environment, name, **options)
                    self._index_written(environment.folder, begun, synced=_syncs(environment))
                    return result

            held.enter_context(mock.patch.object(Environment, "write", write))
            held.enter_context(mock.patch.object(Environment, "__init__", init))
            held.enter_context(mock.patch.object(Environment, "table", table))
            yield

    def release_all(self) -> None:
        """What the kernel does for a process that was killed: its descriptors and locks go."""
        for environment in self._environments:
            environment.close()
        self._environments.clear()
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{name}").startswith(f"{self.root}/"):
                    os.close(int(name))

    def durable_paths(self) -> set[str]:
        """What is there for certain after a power cut now, as paths below the root. Of files also the bytes."""
        names: dict[Inode, dict[str, Inode]] = {}
        for change in self.changes:
            if change.durable_at == NEVER:
                continue
            if change.inode is None:
                names.get(change.folder, {}).pop(change.name, None)
            else:
                names.setdefault(change.folder, {})[change.name] = change.inode
        found: set[str] = set()
        pending = [("", self.top)]
        while pending:
            path, folder = pending.pop()
            for name, inode in names.get(folder, {}).items():
                if inode.folder:
                    pending.append((f"{path}{name}/", inode))
                if inode.folder or (inode.versions and inode.versions[-1].durable_at != NEVER):
                    found.add(f"{path}{name}")
        return found

    def live_on(self) -> None:
        """No death is planned any more."""
        self.die_at = self.die_at_folder_sync = NEVER

    def alive(self) -> None:
        if self.now + 1 >= self.die_at:
            raise Died

    def _event(self) -> int:
        with self._lock:
            self.alive()
            self.now += 1
            return self.now

    # --- what is wrapped: each checks first, then does it, then notes it ---------------------------------------------

    def _open(self, real: Callable[..., int], path: Any, flags: int, *rest: Any, **options: Any) -> int:
        known = self._path(path, options)
        if not flags & os.O_CREAT or known is None or os.path.lexists(known):
            return real(path, flags, *rest, **options)
        number = self._event()
        fd = real(path, flags, *rest, **options)
        self._made(known, number, os.fstat(fd).st_ino, folder=False)
        return fd

    def _mkdir(self, real: Callable[..., None], path: Any, *rest: Any, **options: Any) -> None:
        known = self._path(path, options)
        if known is None or os.path.lexists(known):
            return real(path, *rest, **options)
        number = self._event()
        real(path, *rest, **options)
        self._made(known, number, os.stat(known).st_ino, folder=True)
        return None

    def _link(self, real: Callable[..., None], old: Any, new: Any, **options: Any) -> None:
        known_old, known_new = self._path(old, options), self._path(new, options)
        if known_old is None or known_new is None or os.path.lexists(known_new):
            return real(old, new, **options)
        number = self._event()
        real(old, new, **options)
        inode = self._known(known_old, number)
        self._read(known_new, inode, number)
        self._change(known_new, inode, number)
        return None

    def _rename(self, real: Callable[..., None], old: Any, new: Any, **options: Any) -> None:
        known_old, known_new = self._path(old, options), self._path(new, options)
        if known_old is None or known_new is None:
            return real(old, new, **options)
        number = self._event()
        real(old, new, **options)
        inode = self._known(known_old, number)
        if not inode.folder:
            self._read(known_new, inode, number)
        below = [path for path in self._names if path.startswith(known_old + "/")]
        came = self._change(known_new, inode, number)
        came.twin = self._change(known_old, None, number)
        came.twin.twin = came
        for path in below:
            self._names[known_new + path.removeprefix(known_old)] = self._names.pop(path)
        return None

    _replace = _rename

    def _unlink(self, real: Callable[..., None], path: Any, **options: Any) -> None:
        known = self._path(path, options)
        if known is None or not os.path.lexists(known):
            return real(path, **options)
        number = self._event()
        self._known(known, number)
        real(path, **options)
        self._change(known, None, number)
        return None

    _rmdir = _unlink

    def _fsync(self, real: Callable[[int], None], fd: int) -> None:
        status = os.fstat(fd)
        inode = self._inodes.get(status.st_ino)
        path = os.readlink(f"/proc/self/fd/{fd}")
        if inode is None or not path.startswith(str(self.root)):
            return real(fd)
        if inode.folder:
            self.die_at_folder_sync -= 1
            if self.die_at_folder_sync <= 0:
                self.die_at = 0
        number = self._event()
        real(fd)
        if inode.folder:
            for name in os.listdir(fd):
                self._known(f"{path}/{name}", number)
            for change in self.changes:
                if change.folder is inode and change.durable_at == NEVER:
                    change.durable_at = number
                    if change.twin is not None:
                        change.twin.durable_at = min(change.twin.durable_at, number)
        else:
            self._read(f"/proc/self/fd/{fd}", inode, number)
            for version in inode.versions:
                version.durable_at = min(version.durable_at, number)
        return None

    # --- notes -------------------------------------------------------------------------------------------------------

    def _path(self, path: Any, options: dict[str, Any]) -> str | None:
        """The absolute path, if it lies below the root."""
        if isinstance(path, int):
            return None
        found = os.fsdecode(path)
        if (fd := options.get("dir_fd")) is not None:
            found = os.path.join(os.readlink(f"/proc/self/fd/{fd}"), found)
        found = os.path.abspath(found)
        return found if found.startswith(f"{self.root}/") else None

    def _made(self, path: str, number: int, ino: int, *, folder: bool) -> Inode:
        inode = self._inodes[ino] = Inode(folder=folder, made=number)
        self._change(path, inode, number)
        return inode

    def _known(self, path: str, number: int) -> Inode:
        """The inode of a name; one that came without Python came a moment ago."""
        found = self._names.get(path)
        if found is None:
            status = os.stat(path)
            found = self._made(path, number, status.st_ino, folder=os.path.isdir(path))
        return found

    def _change(self, path: str, inode: Inode | None, number: int) -> NameChange:
        folder = self._names[os.path.dirname(path)]
        change = NameChange(number, folder, os.path.basename(path), inode)
        self.changes.append(change)
        if inode is None:
            self._names.pop(path, None)
        else:
            self._names[path] = inode
        return change

    def _read(
        self, path: str, inode: Inode, number: int, begun: int = 0, last: frozenset[int] = frozenset()
    ) -> Version | None:
        """Note the file's bytes, where they aren't those that were noted last."""
        data = Path(path).read_bytes()
        before = self._last.get(inode)
        if data == before:
            return None
        self._last[inode] = data
        pages = {
            at // PAGE: data[at : at + PAGE]
            for at in range(0, len(data), PAGE)
            if before is None or data[at : at + PAGE] != before[at : at + PAGE]
        }
        begun = begun or (inode.versions[-1].at if inode.versions else inode.made)
        version = Version(begun, number, len(data), pages, last=last)
        inode.versions.append(version)
        return version

    def _index_written(self, folder: Path, begun: int, *, synced: bool) -> None:
        with self._lock:
            path = str(folder / DATA_FILE)
            if not path.startswith(f"{self.root}/") or not os.path.exists(path):
                return
            self.now += 1
            inode = self._known(path, begun)
            self._read(path, inode, self.now, begun, META_PAGES if inode.versions else frozenset())
            if synced:
                for version in inode.versions:
                    version.durable_at = min(version.durable_at, self.now)

    def _wrap(self, name: str) -> Callable[..., Any]:
        """`os.name` as it is while a recording goes on."""
        real, wrapped = getattr(os, name), getattr(self, f"_{name}")

        def call(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                result = wrapped(real, *arguments, **options)
            if self.switching:
                threading.Event().wait(0.0002)
            return result

        return call


def _syncs(environment: Environment) -> bool:
    """Whether the library was told to sync at the end of each transaction."""
    flags = environment._lmdb.flags()
    return bool(flags["sync"] and flags["metasync"] and not flags["writemap"])
