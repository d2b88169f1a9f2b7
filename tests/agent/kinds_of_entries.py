"""Builds a tree that holds every kind of entry which a backup must bring back, as far as this user may make them.

Not a test. `build(root)` makes the tree below an existing folder; `Made` tells what could not be made here and why.
"""

import os
import random
import socket
import stat
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

TERABYTE = 2**40
DEEP_NAME = b"d" * 200
DEEP_LEVELS = 25
"""25 names of 200 bytes: longer than PATH_MAX, 4,096."""
LONGEST_NAME = b"n" * 255
ODD_NAMES = (
    b"latin-1 \xe4\xf6\xfc",
    b"\xff\xfe\x80",
    b"line\nbreak",
    b"carriage\rreturn\ttab",
    b" leading and trailing space ",
    b"-rf",
    b"back\\slash\\x41",
    b"quote'\"$(x)`y`",
    b"*?[a-z]",
    "emoji \U0001f600 and é".encode(),
    b"...",
    b"\x01\x7f",
    LONGEST_NAME,
)
_ACL_VERSION = 2
_ACL_USER_OBJ, _ACL_USER, _ACL_GROUP_OBJ, _ACL_GROUP, _ACL_MASK, _ACL_OTHER = 1, 2, 4, 8, 16, 32
_NO_ID = 0xFFFFFFFF
_CAP_NET_BIND = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
"""security.capability, revision 2: cap_net_bind_service, permitted and effective."""


@dataclass
class Made:
    root: Path
    not_made: dict[str, str] = field(default_factory=dict)
    """What this user or file system could not have made, and the reason."""
    terabyte_sparse: bytes = b"sparse/one terabyte"
    """Paths below `root` that tests look at."""
    deepest: bytes = b"/".join([b"deep", *[DEEP_NAME] * DEEP_LEVELS])


def build(root: Path, *, seed: int = 1, large_bytes: int = 6 * 2**20 + 12345, many: int = 300) -> Made:
    """Make the tree. `large_bytes` is the length of the large file, `many` the number of small files in a folder."""
    made = Made(root)
    top = os.fsencode(root)
    rng = random.Random(seed)
    for part in (_plain, _names, _links, _sparse, _special, _attributes, _owners, _deep):
        part(top, made, rng)
    _write(top + b"/large.bin", rng.randbytes(large_bytes))
    _write(top + b"/disk.img", rng.randbytes(2 * 2**20 + 512))
    os.mkdir(top + b"/many")
    for number in range(many):
        _write(top + b"/many/file-%05d" % number, rng.randbytes(rng.randrange(0, 6000)))
    _modes(top, made)
    _times(top)
    return made


def _plain(top: bytes, made: Made, rng: random.Random) -> None:
    _write(top + b"/empty", b"")
    _write(top + b"/one byte", b"x")
    _write(top + b"/page", rng.randbytes(4096))
    _write(top + b"/exactly 256 KiB", rng.randbytes(256 * 1024))
    _write(top + b"/256 KiB and one", rng.randbytes(256 * 1024 + 1))
    _write(top + b"/compressible.txt", b"the same line again\n" * 40000)
    _write(top + b"/same content 1", b"twice" * 1000)
    _write(top + b"/same content 2", b"twice" * 1000)
    os.makedirs(top + b"/folder/in/folder")
    _write(top + b"/folder/in/folder/file", b"deep inside")
    os.mkdir(top + b"/empty folder")


def _names(top: bytes, made: Made, rng: random.Random) -> None:
    os.mkdir(top + b"/names")
    for name in ODD_NAMES:
        _write(top + b"/names/" + name, name)
    os.mkdir(top + b"/names/folder \xe9\n")
    _write(top + b"/names/folder \xe9\n/inside", b"inside an odd folder")


def _links(top: bytes, made: Made, rng: random.Random) -> None:
    os.mkdir(top + b"/links")
    _write(top + b"/links/first", rng.randbytes(300_000))
    os.link(top + b"/links/first", top + b"/links/second")
    os.mkdir(top + b"/links/below")
    os.link(top + b"/links/first", top + b"/links/below/third")
    os.symlink(b"first", top + b"/links/to file")
    os.symlink(b"/nonexistent/\xff\n", top + b"/links/broken")
    os.symlink(b"..", top + b"/links/to folder")
    os.symlink(b"a/" * 1500 + b"b", top + b"/links/long")
    os.link(top + b"/links/to file", top + b"/links/same link", follow_symlinks=False)
    _write(top + b"/links/empty 1", b"")
    os.link(top + b"/links/empty 1", top + b"/links/empty 2")


def _sparse(top: bytes, made: Made, rng: random.Random) -> None:
    os.mkdir(top + b"/sparse")
    with open(top + b"/" + made.terabyte_sparse, "wb") as file:
        file.truncate(TERABYTE)
    with open(top + b"/sparse/terabyte with data", "wb") as file:
        file.write(b"start" * 100)
        file.seek(TERABYTE // 2 + 4096)
        file.write(rng.randbytes(70_000))
        file.truncate(TERABYTE)
    with open(top + b"/sparse/hole in front", "wb") as file:
        file.seek(2**20)
        file.write(b"data at one megabyte")
    with open(top + b"/sparse/hole at end", "wb") as file:
        file.write(b"data first")
        file.truncate(3 * 2**20)
    with open(top + b"/sparse/many holes", "wb") as file:
        for at in range(40):
            file.seek(at * 2**18)
            file.write(rng.randbytes(4096 + at))
        file.truncate(40 * 2**18)
    _write(top + b"/sparse/written zeros", bytes(2**20) + b"end" + bytes(2**19))
    _write(top + b"/sparse/only zeros", bytes(700_000))


def _special(top: bytes, made: Made, rng: random.Random) -> None:
    os.mkdir(top + b"/special")
    os.mkfifo(top + b"/special/fifo", 0o640)
    os.link(top + b"/special/fifo", top + b"/special/fifo again")
    folder = os.open(top + b"/special", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{folder}/socket")
    os.close(folder)
    for name, kind, device in (
        (b"char", stat.S_IFCHR, os.makedev(1, 3)),
        (b"block", stat.S_IFBLK, os.makedev(7, 200)),
        (b"large number", stat.S_IFCHR, os.makedev(300, 70_000)),
    ):
        _try(made, f"device {name.decode()}", partial(os.mknod, top + b"/special/" + name, kind | 0o620, device))


def _attributes(top: bytes, made: Made, rng: random.Random) -> None:
    folder = top + b"/attributes"
    os.mkdir(folder)
    for name in (b"user", b"large", b"capability", b"trusted", b"acl", b"acl default/x"):
        os.makedirs(os.path.dirname(folder + b"/" + name), exist_ok=True)
        _write(folder + b"/" + name, name)
    os.symlink(b"user", folder + b"/link")
    user, acl, default = folder + b"/user", folder + b"/acl", folder + b"/acl default"
    access = _acl((_ACL_USER, 6, 12345), (_ACL_GROUP, 4, 54321))
    for what, path, attribute, value in (
        ("user attribute", user, "user.plain", b"value"),
        ("binary attribute", user, "user.bin\u00e9", bytes(range(256))),
        ("empty attribute", user, "user.empty", b""),
        ("folder attribute", folder, "user.folder", b"on a folder"),
        ("large attribute", folder + b"/large", "user.large", rng.randbytes(3000)),
        ("capability", folder + b"/capability", "security.capability", _CAP_NET_BIND),
        ("trusted attribute", folder + b"/trusted", "trusted.phoenix", b"for root only"),
        ("ACL", acl, "system.posix_acl_access", access),
        ("folder ACL", default, "system.posix_acl_access", access),
        ("default ACL", default, "system.posix_acl_default", access),
    ):
        _try(made, what, partial(os.setxattr, path, attribute, value))
    _try(
        made,
        "link attribute",
        lambda: os.setxattr(folder + b"/link", "trusted.link", b"on the link itself", follow_symlinks=False),
    )


def _owners(top: bytes, made: Made, rng: random.Random) -> None:
    os.mkdir(top + b"/owners")
    for name, uid, gid in ((b"named", 1, 1), (b"numbers only", 4_000_000, 4_000_001), (b"folder", 2, 3)):
        path = top + b"/owners/" + name
        if name == b"folder":
            os.mkdir(path)
        else:
            _write(path, name)
        _try(made, f"owner {uid}:{gid}", partial(os.chown, path, uid, gid))
    os.symlink(b"named", top + b"/owners/link")
    _try(made, "owner of a link", lambda: os.chown(top + b"/owners/link", 1, 2, follow_symlinks=False))


def _deep(top: bytes, made: Made, rng: random.Random) -> None:
    os.mkdir(top + b"/deep")
    fd = os.open(top + b"/deep", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(DEEP_LEVELS):
            os.mkdir(DEEP_NAME, dir_fd=fd)
            below = os.open(DEEP_NAME, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
        file = os.open(b"at the bottom", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=fd)
        os.write(file, b"bottom of the deep")
        os.close(file)
        os.symlink(b"at the bottom", b"link at the bottom", dir_fd=fd)
        _try(made, "attribute in the deep", lambda: os.setxattr(f"/proc/self/fd/{fd}", "user.deep", b"down here"))
    finally:
        os.close(fd)


def _modes(top: bytes, made: Made) -> None:
    os.mkdir(top + b"/modes")
    for mode in (0o400, 0o444, 0o755, 0o4755, 0o2755, 0o1644, 0o6711):
        path = top + b"/modes/file %o" % mode
        _write(path, b"%o" % mode)
        _chmod(made, path, mode)
    for mode in (0o700, 0o1777, 0o2775, 0o555):
        path = top + b"/modes/folder %o" % mode
        os.mkdir(path)
        _write(path + b"/inside", b"x")
        _chmod(made, path, mode)


def _times(top: bytes) -> None:
    """Times last: bottom up, since making an entry changes its folder's. Before 1970 and after 2038 are among them."""
    stamps = (1, 999_999_999, 1_234_567_890_123_456_789, 4_102_444_800_000_000_001, -86_400_000_000_001)
    number = 0
    for _folder, names, files, fd in os.fwalk(top, topdown=False, follow_symlinks=False):
        for name in (*files, *names):
            number += 1
            stamp = stamps[number % len(stamps)] + number
            os.utime(name, ns=(stamp, stamp), dir_fd=fd, follow_symlinks=False)
    os.utime(top, ns=(0, 1_500_000_000_123_456_789))


def remove(root: Path) -> None:
    """Take the tree away, folders without write permission and paths beyond PATH_MAX included."""
    for _, folders, files, fd in os.fwalk(os.fsencode(root), topdown=True, follow_symlinks=False):
        with suppress(OSError):
            os.fchmod(fd, 0o700)
        for name in files:
            os.unlink(name, dir_fd=fd)
        for name in folders:
            if stat.S_ISLNK(os.lstat(name, dir_fd=fd).st_mode):
                os.unlink(name, dir_fd=fd)
    for _, folders, _files, fd in os.fwalk(os.fsencode(root), topdown=False, follow_symlinks=False):
        for name in folders:
            os.rmdir(name, dir_fd=fd)
    root.rmdir()


def _write(path: bytes, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def _chmod(made: Made, path: bytes, mode: int) -> None:
    """A kernel drops the set-group-id bit where this user isn't in the group; then it was not made."""
    os.chmod(path, mode)
    if stat.S_IMODE(os.lstat(path).st_mode) != mode:
        made.not_made[f"mode {mode:o}"] = "the kernel dropped a bit"


def _try(made: Made, what: str, make: Callable[[], None]) -> None:
    try:
        make()
    except OSError as error:
        made.not_made[what] = error.strerror or str(error)


def _acl(*entries: tuple[int, int, int]) -> bytes:
    """The kernel's form of a POSIX ACL: u::rwx, the given (tag, permissions, id), g::r--, mask rw-, o::---."""
    listed = [(_ACL_USER_OBJ, 7, _NO_ID)]
    listed += [entry for entry in entries if entry[0] == _ACL_USER]
    listed += [(_ACL_GROUP_OBJ, 4, _NO_ID)]
    listed += [entry for entry in entries if entry[0] == _ACL_GROUP]
    listed += [(_ACL_MASK, 6, _NO_ID), (_ACL_OTHER, 0, _NO_ID)]
    return struct.pack("<I", _ACL_VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in listed)
