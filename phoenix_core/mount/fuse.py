"""The snapshot folder as a mount by FUSE, through mfusepy and the system's libfuse. Linux, read-only.

libfuse calls in threads of its own; each call is handed to the event loop that the folder belongs to."""

import asyncio
import errno
import os
import shlex
import stat
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import structlog

from phoenix_core.mount.errors import FuseUnavailable, MountFailed, MountLeft, MountPointUnusable
from phoenix_core.mount.readahead import ReadAhead
from phoenix_core.mount.snapshotfolder import Node, SnapshotFolder

DEVICE = Path("/dev/fuse")
UNMOUNT_S = 5.0
BLOCK = 512
TYPES = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "fifo": stat.S_IFIFO,
    "socket": stat.S_IFSOCK,
    "char_device": stat.S_IFCHR,
    "block_device": stat.S_IFBLK,
}
T = TypeVar("T")

log = structlog.get_logger(__name__)


class SnapshotOperations:
    """What libfuse calls. Its names and arguments are FUSE's; paths are text with surrogates for odd bytes."""

    use_ns = True

    def __init__(self, folder: SnapshotFolder, loop: asyncio.AbstractEventLoop) -> None:
        self._folder = folder
        self._loop = loop
        self._open: dict[int, ReadAhead] = {}
        self._last = 0
        self.ready = asyncio.Event()
        """Set once the mount is there."""

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def init(self, path: str) -> None:
        self._loop.call_soon_threadsafe(self.ready.set)

    def destroy(self, path: str) -> None:
        """The mount is gone."""

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        return status_of(self._wait(self._folder.stat(os.fsencode(path))))

    def readdir(self, path: str, fh: int) -> Iterable[tuple[str, dict[str, int], int]]:
        nodes = self._wait(self._folder.entries(os.fsencode(path)))
        names = [(".", stat.S_IFDIR), ("..", stat.S_IFDIR)]
        names += [(os.fsdecode(node.name), TYPES[node.type]) for node in nodes]
        return [(name, {"st_mode": mode}, 0) for name, mode in names]

    def readlink(self, path: str) -> str:
        node = self._wait(self._folder.stat(os.fsencode(path)))
        if node.type != "symlink":
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return os.fsdecode(node.target)

    def open(self, path: str, flags: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return self._wait(self._opened(os.fsencode(path)))

    async def _opened(self, path: bytes) -> int:
        node = await self._folder.stat(path)
        self._last += 1
        self._open[self._last] = ReadAhead(node.size, lambda start, length: self._folder.read(path, start, length))
        return self._last

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return self._wait(self._open[fh].read(offset, size))

    def release(self, path: str, fh: int) -> int:
        self._wait(self._open.pop(fh).close())
        return 0

    def access(self, path: str, amode: int) -> int:
        if amode & os.W_OK:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        return {"f_bsize": 4096, "f_frsize": 4096, "f_namemax": 255, "f_flag": os.ST_RDONLY}

    def listxattr(self, path: str) -> list[str]:
        return []

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))


def status_of(node: Node) -> dict[str, int]:
    """As `stat` tells it. Snapshots hold no time of access: it is that of the last change of content."""
    return {
        "st_mode": TYPES[node.type] | node.mode,
        "st_nlink": node.links,
        "st_size": node.size,
        "st_uid": node.uid,
        "st_gid": node.gid,
        "st_atime": node.mtime_ns,
        "st_mtime": node.mtime_ns,
        "st_ctime": node.ctime_ns,
        "st_blocks": -(-node.data_bytes // BLOCK),
        "st_blksize": 2**17,
        "st_rdev": node.rdev,
    }


class FuseMount:
    """One mount: `start`, then `ended`, and `stop` in any case."""

    def __init__(self, folder: SnapshotFolder, place: Path) -> None:
        self._place = place
        self._operations = SnapshotOperations(folder, asyncio.get_running_loop())
        self._thread = threading.Thread(target=self._run, name="fuse", daemon=True)
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._failure = ""

    async def start(self) -> None:
        """Returns once the mount is there. Raises FuseUnavailable, MountPointUnusable, MountLeft, MountFailed."""
        await asyncio.to_thread(load_fuse)
        await asyncio.to_thread(_check_place, self._place)
        self._thread.start()
        ready = asyncio.create_task(self._operations.ready.wait(), name="mount made")
        ended = asyncio.create_task(self._ended.wait(), name="mount ended")
        try:
            await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            ended.cancel()
        if self._ended.is_set():
            raise MountFailed(path=self._place, detail=self._failure or "nothing")

    async def ended(self) -> None:
        """Returns when somebody unmounted it. Raises MountFailed."""
        await self._ended.wait()
        if self._failure:
            raise MountFailed(path=self._place, detail=self._failure)

    async def stop(self) -> None:
        """Unmount. Files that are still open there give errors from now on."""
        if self._thread.ident is None or self._ended.is_set():
            return
        for lazy in (False, True):
            await asyncio.to_thread(_unmount, self._place, lazy=lazy)
            with suppress(TimeoutError):
                async with asyncio.timeout(UNMOUNT_S):
                    await self._ended.wait()
                return
        log.warning("something still uses the mount; its files give errors once this process is gone")

    def _run(self) -> None:
        fuse = load_fuse()
        try:
            fuse.FUSE(
                self._operations,
                os.fspath(self._place),
                foreground=True,
                ro=True,
                nosuid=True,
                nodev=True,
                fsname="phoenix",
                subtype="phoenix",
            )
        except RuntimeError as error:
            self._failure = f"error {error}"
        except Exception as error:
            log.exception("a mount ended")
            self._failure = f"{type(error).__name__}: {error}"
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._ended.set)


def load_fuse() -> Any:
    """The library. Raises FuseUnavailable, saying what to install."""
    if sys.platform != "linux":
        raise FuseUnavailable(detail="it is there on Linux only", advice="Mount them on a Linux machine")
    try:
        import mfusepy
    except ImportError as error:
        raise FuseUnavailable(
            detail="the Python package mfusepy is not installed",
            advice=f"Install it: `{sys.executable} -m pip install mfusepy`",
        ) from error
    except OSError as error:
        raise FuseUnavailable(
            detail="the system's libfuse is not installed",
            advice="Install it: `apt install fuse3` on Debian and Ubuntu, `dnf install fuse3` on Fedora and RHEL",
        ) from error
    if not DEVICE.exists():
        raise FuseUnavailable(
            detail=f"there is no {DEVICE}",
            advice="Load the kernel's module with `modprobe fuse`; a container must be given the device",
        )
    return mfusepy


def _check_place(place: Path) -> None:
    """Raises MountPointUnusable, MountLeft."""
    try:
        if os.path.ismount(place):
            raise MountPointUnusable(path=place, detail="something is mounted there already")
        if any(place.iterdir()):
            raise MountPointUnusable(path=place, detail="the folder isn't empty")
    except OSError as error:
        if error.errno == errno.ENOTCONN:
            raise MountLeft(path=place, quoted=shlex.quote(os.fspath(place))) from error
        raise MountPointUnusable(path=place, detail=(error.strerror or str(error)).lower()) from error


def _unmount(place: Path, *, lazy: bool) -> None:
    commands = [["fusermount3", "-u", *(["-z"] if lazy else []), os.fspath(place)]]
    commands += [["umount", *(["-l"] if lazy else []), os.fspath(place)]]
    for command in commands:
        with suppress(OSError):
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return
