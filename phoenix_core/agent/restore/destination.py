"""The destination: validated before anything else (WF6.3), and the space that a restore takes of it (WF6.4)."""

import errno
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from phoenix_core.agent.backup.mounts import is_virtual_folder
from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.agent.restore.errors import (
    DestinationForbidden,
    DestinationNotAbsolute,
    DestinationNotFolder,
    DestinationNotWritable,
    NotEnoughInodes,
    NotEnoughSpace,
    OtherFamily,
)
from phoenix_core.agent.restore.folders import open_root, proc_path
from phoenix_core.agent.restore.ownfolders import kind_around
from phoenix_core.domain.amounts import size
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.names import shown
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.tree import read_tree
from phoenix_core.vault.windowsentry import is_windows

INODE_BYTES = 4096
"""What a folder or a long link takes on most file systems."""
SHORT_TARGET_BYTES = 59


def check_family(source: ChunkSource, root: bytes) -> None:
    """`root`: of the snapshot's tree. The core knows no system of a server that only the vault remembers, so it can't
    tell. Raises `OtherFamily` where an entry of `/` is a volume of Windows, and what the node and the core raise."""
    try:
        for entry in read_tree(source, root):
            if is_windows(entry):
                raise OtherFamily(of="Windows", to="Linux")
    except PhoenixError as error:
        if not damage_reason(error):
            raise  # else the plan meets it again, and tells it


@dataclass(frozen=True)
class Destination:
    """Where a restore goes."""

    path: bytes
    """Absolute, without links; `/` for the original place."""
    is_original: bool
    existing: bytes
    """The path, or the nearest folder above it that exists."""

    @property
    def exists(self) -> bool:
        return self.existing == self.path

    def open(self) -> int:
        """The folder, made where it isn't there. Raises `DestinationNotWritable`, `DestinationNotFolder`."""
        try:
            os.makedirs(self.path, exist_ok=True)
            return open_root(self.path)
        except (FileExistsError, NotADirectoryError) as error:
            raise DestinationNotFolder(path=shown(self.path), place=shown(self.path)) from error
        except OSError as error:
            raise DestinationNotWritable(path=shown(self.path), detail=error.strerror) from error


def validate(destination: bytes, targets: Sequence[bytes], state_dir: Path) -> Destination:
    """Check the destination that was asked for (empty: the original place, where `targets` will be written). Writes
    nothing. Raises a `RestoreError`."""
    if not destination:
        for target in targets:
            _check_not_own(os.path.join(os.path.realpath(os.path.dirname(target)), os.path.basename(target)), state_dir)
            _check_writable(_nearest(target, of_folder=False), is_restored=True)
        return Destination(b"/", is_original=True, existing=b"/")
    if not destination.startswith(b"/") or b"\0" in destination:
        raise DestinationNotAbsolute(path=shown(destination))
    path = os.path.realpath(destination)
    _check_not_own(path, state_dir)
    existing = _nearest(path, of_folder=True)
    if _is_made_up(existing):
        raise DestinationForbidden(path=shown(path), detail="the kernel makes up what is there; it keeps no files")
    _check_writable(existing, is_restored=False)
    return Destination(path, is_original=False, existing=existing)


def _check_not_own(path: bytes, state_dir: Path) -> None:
    """`path`: absolute, without links."""
    own = os.path.realpath(os.fsencode(state_dir))
    if path == own or path.startswith(own + b"/"):
        raise DestinationForbidden(path=shown(path), detail="it is the agent's own folder")
    kind, place = kind_around(path)
    if kind:
        detail = f"it is {kind}" if place == path else f"{shown(place)} is {kind}"
        raise DestinationForbidden(path=shown(path), detail=detail)


def _nearest(path: bytes, *, of_folder: bool) -> bytes:
    """The nearest folder at or above the path that exists. `of_folder`: the path itself must be a folder, if it is
    there."""
    at = path
    while True:
        try:
            status = os.stat(at) if of_folder else os.lstat(at)
        except (FileNotFoundError, NotADirectoryError):
            at = os.path.dirname(at)
            continue
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG and at != b"/":
                at = os.path.dirname(at)
                continue
            raise DestinationNotWritable(path=shown(path), detail=error.strerror) from error
        if stat.S_ISDIR(status.st_mode):
            return at
        if of_folder:
            raise DestinationNotFolder(path=shown(path), place=shown(at))
        at = os.path.dirname(at)


def _is_made_up(path: bytes) -> bool:
    """Whether the folder is in /proc, /sys and their like."""
    try:
        folder = open_root(path)
    except OSError:
        return False  # whether it can be written to is looked at next
    try:
        return is_virtual_folder(folder)
    finally:
        os.close(folder)


def _check_writable(folder: bytes, *, is_restored: bool) -> None:
    """`is_restored`: the folder may itself be among what is restored; then its owner makes it writable meanwhile."""
    if os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        return
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise DestinationNotWritable(path=shown(folder), detail="its file system is mounted read-only")
    if not is_restored or os.stat(folder).st_uid != os.geteuid():
        raise DestinationNotWritable(path=shown(folder), detail="this user may not write there")


@dataclass(frozen=True)
class Free:
    """What a file system has left for this user."""

    bytes: int
    inodes: int
    """-1 where it has no fixed number of them."""
    block_bytes: int = 4096


def free_space(folder: int) -> Free:
    """Of the file system that the open folder is on."""
    found = os.statvfs(proc_path(folder))
    return Free(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else -1, found.f_frsize)


FreeSpace = Callable[[int], Free]


@dataclass
class _Need:
    place: bytes
    free: Free
    now_bytes: int = 0
    peak_bytes: int = 0
    inodes: int = 0


@dataclass
class SpaceNeeds:
    """What a restore takes, per file system of the destination, told entry by entry in the order of the restore."""

    free_space: FreeSpace = free_space
    _needs: dict[int, _Need] = field(default_factory=dict)

    def at(self, device: int, folder: int) -> None:
        """The entries told next go into this folder's file system."""
        if device not in self._needs:
            self._needs[device] = _Need(os.readlink(proc_path(folder)), self.free_space(folder))

    def add(self, device: int, entry: Entry, freed_bytes: int = 0, *, new_name: bool = True) -> None:
        """An entry is written; what it replaces is freed after that."""
        need = self._needs[device]
        taken = allocated_bytes(entry, need.free.block_bytes)
        need.peak_bytes = max(need.peak_bytes, need.now_bytes + taken)
        need.now_bytes += taken - freed_bytes
        need.inodes += new_name

    @property
    def needed_bytes(self) -> int:
        return sum(need.peak_bytes for need in self._needs.values())

    @property
    def free_bytes(self) -> int:
        return sum(need.free.bytes for need in self._needs.values())

    def check(self) -> None:
        """Raises `NotEnoughSpace`, `NotEnoughInodes`."""
        for need in self._needs.values():
            place = shown(need.place)
            if need.peak_bytes > need.free.bytes:
                raise NotEnoughSpace(
                    place=place,
                    needed=size(need.peak_bytes),
                    free=size(need.free.bytes),
                    needed_bytes=need.peak_bytes,
                    free_bytes=need.free.bytes,
                )
            if 0 <= need.free.inodes < need.inodes:
                raise NotEnoughInodes(place=place, needed=need.inodes, free=need.free.inodes)


def allocated_bytes(entry: Entry, block_bytes: int) -> int:
    """What an entry will take: of a file its data without holes, in blocks."""
    if entry.type is EntryType.FILE:
        if entry.extents is None:
            return -(-entry.size // block_bytes) * block_bytes
        count = entry.data_bytes
        edges = len(entry.extents)
        return (-(-count // block_bytes) + edges) * block_bytes if count else 0
    if entry.is_directory or len(entry.target) > SHORT_TARGET_BYTES:
        return INODE_BYTES
    return 0
