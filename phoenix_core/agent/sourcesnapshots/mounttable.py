"""Which file system a path lies on, by the kernel's mount table (proc_pid_mountinfo(5))."""

import os
import re
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from phoenix_core.agent.backup.mounts import VIRTUAL_TYPES

TABLE = "/proc/self/mountinfo"
_OCTAL = re.compile(rb"\\([0-7]{3})")


class Mount(msgspec.Struct, frozen=True):
    id: int
    device: int
    root: bytes
    """The folder of the file system that is mounted; `/` but for bind mounts and Btrfs subvolumes."""
    point: bytes
    kind: str
    """`ext4`, `btrfs`, …"""
    source: bytes
    """A device, a ZFS dataset, or what else the file system calls it."""
    read_only: bool = False
    """The file system as a whole is."""

    @property
    def is_virtual(self) -> bool:
        return self.kind.encode() in VIRTUAL_TYPES


class MountTable:
    def __init__(self, lines: Iterable[bytes]) -> None:
        mounts = [mount for line in lines if (mount := _parsed(line))]
        self._by_id = {mount.id: mount for mount in mounts}

    @classmethod
    def current(cls) -> "MountTable":
        """Raises OSError."""
        with open(TABLE, "rb") as file:
            return cls(file.read().splitlines())

    def of(self, path: bytes) -> Mount | None:
        """The mount that a path lies on, a link itself. None where the kernel doesn't say. Raises OSError."""
        return self._by_id.get(_mount_id(path))

    def visible_below(self, path: bytes) -> list[Mount]:
        """Those with their root below a path, and nothing mounted over it."""
        inside = b"/" if path == b"/" else path + b"/"
        found = [mount for mount in self._by_id.values() if mount.point.startswith(inside) and mount.point != path]
        return [mount for mount in found if self._is_visible(mount)]

    def roots_of(self, source: bytes, kind: str) -> list[Mount]:
        """Where a file system is mounted from its root."""
        found = [
            mount for mount in self._by_id.values() if (mount.source, mount.kind, mount.root) == (source, kind, b"/")
        ]
        return [mount for mount in found if self._is_visible(mount)]

    def at(self, point: bytes) -> Mount | None:
        """What is mounted at a path; None: nothing."""
        found = [mount for mount in self._by_id.values() if mount.point == point]
        return next((mount for mount in found if self._is_visible(mount)), None)

    def _is_visible(self, mount: Mount) -> bool:
        with suppress(OSError):
            return _mount_id(mount.point) == mount.id
        return False


def _mount_id(path: bytes) -> int:
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as facts:
            return next((int(line.split()[1]) for line in facts if line.startswith("mnt_id:")), -1)
    finally:
        os.close(fd)


def _parsed(line: bytes) -> Mount | None:
    fields, _, rest = line.partition(b" - ")
    parts, of_it = fields.split(b" "), rest.split(b" ")
    if len(parts) < 6 or len(of_it) < 3:
        return None
    major, _, minor = parts[2].partition(b":")
    return Mount(
        int(parts[0]),
        os.makedev(int(major), int(minor)),
        _plain(parts[3]),
        _plain(parts[4]),
        of_it[0].decode("ascii", "replace"),
        _plain(of_it[1]),
        b"ro" in of_it[2].split(b","),
    )


def _plain(field: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match.group(1), 8)]), field)
