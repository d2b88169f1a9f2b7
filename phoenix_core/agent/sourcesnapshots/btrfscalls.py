"""Calls to Btrfs, as in the kernel's linux/btrfs.h: numbers, structures of 4,096 bytes, flags. They work on open
folders, so that no link that somebody puts in the way leads them elsewhere."""

import errno
import fcntl
import os
import struct
from contextlib import suppress
from dataclasses import dataclass

SUBVOLUME_INODE = 256
"""BTRFS_FIRST_FREE_OBJECTID: the inode of each subvolume's root folder."""
_READ_ONLY = 1 << 1
"""BTRFS_SUBVOL_RDONLY, among the flags of SNAP_CREATE_V2; and BTRFS_ROOT_SUBVOL_RDONLY among those of a subvolume."""
_ROOT_READ_ONLY = 1 << 0
_NAME_MAX = 255
_ARGUMENT_BYTES = 4096
_INFO_BYTES = 504
_FACTS_BYTES = 1024
_ROOTREFS = 255
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _request(direction: int, number: int, size: int) -> int:
    """As the macros _IOR (2), _IOW (1) and _IOWR (3) of asm-generic/ioctl.h make it, for the magic number 0x94."""
    return direction << 30 | size << 16 | 0x94 << 8 | number


_SNAP_DESTROY = _request(1, 15, _ARGUMENT_BYTES)
_SNAP_CREATE_V2 = _request(1, 23, _ARGUMENT_BYTES)
_FS_INFO = _request(2, 31, _FACTS_BYTES)
_GET_SUBVOL_INFO = _request(2, 60, _INFO_BYTES)
_GET_SUBVOL_ROOTREF = _request(3, 61, _ARGUMENT_BYTES)
_INO_LOOKUP_USER = _request(3, 62, _ARGUMENT_BYTES)


@dataclass(frozen=True)
class Subvolume:
    id: int
    uuid: str
    parent: str
    """The uuid of what it is a snapshot of; empty: of nothing."""
    read_only: bool


class BtrfsCalls:
    """All raise OSError."""

    def open(self, path: bytes) -> int:
        return os.open(path, _FOLDER)

    def open_in(self, folder: int, name: bytes) -> int:
        return os.open(name, _FOLDER, dir_fd=folder)

    def file_system(self, folder: int) -> str:
        """The id of the file system that an open folder lies on."""
        buffer = bytearray(_FACTS_BYTES)
        fcntl.ioctl(folder, _FS_INFO, buffer, True)
        return buffer[16:32].hex()

    def subvolume(self, folder: int) -> Subvolume:
        """Of the subvolume that an open folder lies in."""
        buffer = bytearray(_INFO_BYTES)
        fcntl.ioctl(folder, _GET_SUBVOL_INFO, buffer, True)
        (number,) = struct.unpack_from("=Q", buffer)
        _, _, _, flags, uuid, parent = struct.unpack_from("=QQQQ16s16s", buffer, 8 + _NAME_MAX + 1)
        return Subvolume(number, uuid.hex(), parent.hex() if any(parent) else "", bool(flags & _ROOT_READ_ONLY))

    def snapshot(self, subvolume: int, folder: int, name: bytes) -> None:
        """Make a read-only one of an open subvolume, under a name in an open folder of the same file system."""
        arguments = struct.pack("=qQQ32s4040s", subvolume, 0, _READ_ONLY, b"", name)
        fcntl.ioctl(folder, _SNAP_CREATE_V2, bytearray(arguments), True)

    def delete(self, folder: int, name: bytes) -> None:
        """A subvolume, by its name in an open folder; what is no subvolume stays (EINVAL)."""
        fcntl.ioctl(folder, _SNAP_DESTROY, bytearray(struct.pack("=q4088s", 0, name)), True)

    def nested(self, subvolume: int) -> list[bytes]:
        """Where subvolumes begin right below an open one, relative to it."""
        found: list[bytes] = []
        least = 0
        while True:
            buffer = bytearray(_ARGUMENT_BYTES)
            struct.pack_into("=Q", buffer, 0, least)
            more = False
            try:
                fcntl.ioctl(subvolume, _GET_SUBVOL_ROOTREF, buffer, True)
            except OSError as error:
                if error.errno != errno.EOVERFLOW:
                    raise
                more = True
            count = buffer[8 + 16 * _ROOTREFS]
            for at in range(count):
                tree, parent = struct.unpack_from("=QQ", buffer, 8 + 16 * at)
                with suppress(FileNotFoundError):  # it was deleted meanwhile
                    found.append(self._path_of(subvolume, parent, tree))
                least = tree + 1
            if not more:
                return found

    def _path_of(self, subvolume: int, parent: int, tree: int) -> bytes:
        buffer = bytearray(struct.pack("=QQ4080s", parent, tree, b""))
        fcntl.ioctl(subvolume, _INO_LOOKUP_USER, buffer, True)
        name = bytes(buffer[16 : 16 + _NAME_MAX + 1]).split(b"\0", 1)[0]
        return bytes(buffer[16 + _NAME_MAX + 1 :]).split(b"\0", 1)[0] + name
