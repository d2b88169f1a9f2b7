"""What kind of file system a folder lies on: some things must not lie on a network."""

import ctypes
import os
import struct
import sys
from pathlib import Path

NETWORK_KINDS = {
    0x6969: "nfs",
    0x517B: "smb",
    0xFE534D42: "smb2",
    0xFF534D42: "cifs",
    0x01021997: "9p",
    0x00C36400: "ceph",
    0x564C: "ncp",
    0x73757245: "coda",
    0x5346414F: "afs",
    0x6B414653: "afs",
    0x7461636F: "ocfs2",
    0x01161970: "gfs2",
    0x0BD00BD0: "lustre",
    0x47504653: "gpfs",
    0x19830326: "beegfs",
    0x20030528: "orangefs",
}
"""`f_type` of statfs(2), from linux/magic.h and the file systems' own sources."""
_FUSE = 0x65735546
_LOCAL_FUSE = {"fuseblk", "fuse.ntfs-3g", "fuse.mergerfs", "fuse.gocryptfs", "fuse.encfs", "fuse.bindfs", "fuse.lxcfs"}
_STATFS_BYTES = 256


def network_kind(path: Path) -> str:
    """The kind of network file system that the folder lies on (`nfs`, `cifs`, `fuse.sshfs`, …); empty: a local one.

    Of FUSE file systems only those known to be local count as such. Only Linux is told apart.
    """
    if not sys.platform.startswith("linux"):
        return ""
    magic = _magic(path)
    if magic == _FUSE:
        kind = _mount_kind(path)
        return "" if kind in _LOCAL_FUSE else kind
    return NETWORK_KINDS.get(magic, "")


def _magic(path: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    if libc.statfs(os.fsencode(path), buffer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
    (magic,) = struct.unpack_from("@l", buffer)
    return int(magic) & 0xFFFFFFFF


def _mount_kind(path: Path) -> str:
    """The file system type of the mount that holds `path`, by its device number."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields, _, source = line.partition(" - ")
        if fields.split(" ")[2] == wanted:
            return source.split(" ")[0]
    return "fuse"
