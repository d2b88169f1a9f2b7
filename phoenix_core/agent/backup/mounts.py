"""Mount points, and the file systems that hold no files: proc, sysfs, cgroup and the like."""

import ctypes
import os
import re
import struct
from collections.abc import Iterable

VIRTUAL_TYPES = frozenset(
    b"proc sysfs cgroup cgroup2 devpts devtmpfs mqueue debugfs tracefs securityfs configfs fusectl pstore bpf autofs"
    b" binfmt_misc efivarfs hugetlbfs rpc_pipefs nsfs nfsd selinuxfs smackfs bdev sockfs pipefs fuse.lxcfs"
    b" fuse.gvfsd-fuse fuse.portal".split()
)
"""Types as in the kernel's mount table."""
VIRTUAL_MAGICS = frozenset(
    {
        0x9FA0,  # proc
        0x62656572,  # sysfs
        0x27E0EB,  # cgroup
        0x63677270,  # cgroup2
        0x1CD1,  # devpts
        0x19800202,  # mqueue
        0x64626720,  # debugfs
        0x74726163,  # tracefs
        0x73636673,  # securityfs
        0x62656570,  # configfs
        0x65735543,  # fusectl
        0x6165676C,  # pstore
        0xCAFE4A11,  # bpf
        0x187,  # autofs
        0x42494E4D,  # binfmt_misc
        0xDE5E81E4,  # efivarfs
        0x958458F6,  # hugetlbfs
        0x67596969,  # rpc_pipefs
        0x6E736673,  # nsfs
        0x6E667364,  # nfsd
        0xF97CFF8C,  # selinuxfs
        0x43415D53,  # smackfs
    }
)
"""`f_type` of statfs(2), from linux/magic.h."""
_OCTAL = re.compile(rb"\\([0-7]{3})")
_STATFS_BYTES = 256


class Mounts:
    """The mount table as it was when the scan began."""

    def __init__(self, table: Iterable[bytes]) -> None:
        """`table` are the lines of /proc/self/mountinfo."""
        self._points: set[bytes] = set()
        self._virtual_devices: set[int] = set()
        for line in table:
            fields, _, source = line.partition(b" - ")
            parts = fields.split(b" ")
            if len(parts) < 5 or not source:
                continue
            self._points.add(_OCTAL.sub(lambda match: bytes([int(match.group(1), 8)]), parts[4]))
            if source.split(b" ", 1)[0] in VIRTUAL_TYPES:
                major, _, minor = parts[2].partition(b":")
                self._virtual_devices.add(os.makedev(int(major), int(minor)))

    @classmethod
    def current(cls) -> "Mounts":
        """Empty where there is no /proc; devices and `f_type` still tell most."""
        try:
            with open("/proc/self/mountinfo", "rb") as file:
                return cls(file.read().splitlines())
        except OSError:
            return cls(())

    def is_point(self, path: bytes) -> bool:
        """Whether something is mounted at the path; finds bind mounts, which device numbers don't show."""
        return path in self._points

    def is_virtual_device(self, device: int) -> bool:
        """Whether files of this `st_dev` are made up by the kernel."""
        return device in self._virtual_devices


def is_virtual_folder(fd: int) -> bool:
    """Whether the open folder is on a file system that holds no files, by statfs."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    if libc.fstatfs(fd, buffer) != 0:
        return False
    (magic,) = struct.unpack_from("@l", buffer)
    return int(magic) & 0xFFFFFFFF in VIRTUAL_MAGICS
