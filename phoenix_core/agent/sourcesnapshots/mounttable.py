"""Which file system a path lies on, by the kernel's mount table (proc_pid_mountinfo(5))."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from phoenix_core.agent.backup.mounts import VIRTUAL_TYPES

TABLE = "/proc/self/mountinfo"
REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "9p", "afs", "ceph", "coda", "fuse", "lustre", "glusterfs"}
    | {"beegfs", "orangefs", "pvfs2", "virtiofs"}
)
"""Types of file systems as in the mount table, beside those of FUSE."""
_SLASH = ord("/")
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
    above: int = 0
    """The id of the mount that it is mounted in."""

    @property
    def is_virtual(self) -> bool:
        return self.kind.encode() in VIRTUAL_TYPES

    @property
    def may_hang(self) -> bool:
        """It lies on another host, or in a program: a look at it may never be answered."""
        return self.kind in REMOTE or self.kind.startswith("fuse.")


class MountTable:
    def __init__(self, lines: Iterable[bytes]) -> None:
        mounts = [mount for line in lines if (mount := _parsed(line))]
        self._by_id = {mount.id: mount for mount in mounts}
        self._in: defaultdict[int | None, dict[bytes, Mount]] = defaultdict(dict)
        """By the mount that they are mounted in, and their point; None: by one that this process doesn't see."""
        for mount in mounts:
            is_top = mount.above == mount.id or mount.above not in self._by_id
            self._in[None if is_top else mount.above][mount.point] = mount

    @classmethod
    def current(cls) -> "MountTable":
        """Raises OSError."""
        with open(TABLE, "rb") as file:
            return cls(file.read().splitlines())

    def of(self, path: bytes) -> Mount | None:
        """The mount that a path without links above its last name lies on, a link itself, whether or not there is
        anything; None where the table doesn't say.

        Goes down from mount to mount as the kernel does with a path, but by the table alone: even a look at a mount
        point waits as long as a file server that is away."""
        ends = [at for at, char in enumerate(path) if char == _SLASH and at] + [len(path)]
        way = [b"/", *(path[:end] for end in ends)]
        found: Mount | None = None
        inside = self._in.get(None, {})
        while True:
            next_one = next((inside[at] for at in way if at in inside), None)
            if next_one is None:
                return found
            found, inside = next_one, self._in.get(next_one.id, {})

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
        return self.of(mount.point) is mount


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
        int(parts[1]),
    )


def _plain(field: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match.group(1), 8)]), field)
