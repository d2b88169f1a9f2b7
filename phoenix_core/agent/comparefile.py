"""Compares two entries by what the kernel says of them: metadata, attributes, content without regard to holes."""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from phoenix_core.agent.backup.metadata import xattrs_of
from phoenix_core.agent.backup.openfile import open_file_in
from phoenix_core.agent.backup.pagecache import CacheKeeper

_READ_BYTES = 2**20
_ALIGN = 4096
_NO_DATA = 2**63
_CAP_CHOWN, _CAP_SYS_ADMIN, _CAP_MKNOD, _CAP_SETFCAP = 0, 21, 27, 31


@dataclass(frozen=True)
class Rights:
    """What this user may restore at all."""

    capabilities: int
    uid: int
    groups: frozenset[int]

    @classmethod
    def of_this_process(cls) -> "Rights":
        capabilities = 0
        try:
            for line in Path("/proc/self/status").read_text("ascii").splitlines():
                if line.startswith("CapEff:"):
                    capabilities = int(line.split()[1], 16)
        except OSError:
            capabilities = -1 if os.geteuid() == 0 else 0
        return cls(capabilities, os.geteuid(), frozenset((os.getegid(), *os.getgroups())))

    def may_own(self, status: os.stat_result) -> bool:
        """Whether this user can give a file that owner and group."""
        return self._has(_CAP_CHOWN) or (status.st_uid == self.uid and status.st_gid in self.groups)

    def may_make(self, status: os.stat_result) -> bool:
        is_device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
        return not is_device or self._has(_CAP_MKNOD)

    def may_set(self, attribute: bytes) -> bool:
        if attribute.startswith(b"trusted."):
            return self._has(_CAP_SYS_ADMIN)
        if attribute == b"security.capability":
            return self._has(_CAP_SETFCAP)
        return self._has(_CAP_SYS_ADMIN) or not attribute.startswith(b"security.")

    def _has(self, capability: int) -> bool:
        return bool(self.capabilities >> capability & 1)


@dataclass(frozen=True)
class Finding:
    """How two entries differ; `by_right`: only in what this user can't set."""

    what: tuple[str, ...] = ()
    by_right: tuple[str, ...] = ()
    ctime_ns: int = 0
    """The first one's, where their contents differ."""


def compare_status(one: os.stat_result, two: os.stat_result, rights: Rights) -> Finding:
    """Type, mode, owner, time, size, device."""
    if stat.S_IFMT(one.st_mode) != stat.S_IFMT(two.st_mode):
        return Finding(("type",))
    what: list[str] = []
    by_right: list[str] = []
    if (one.st_uid, one.st_gid) != (two.st_uid, two.st_gid):
        (what if rights.may_own(one) else by_right).append("owner")
    if stat.S_IMODE(one.st_mode) != stat.S_IMODE(two.st_mode):
        only_set_id = not (one.st_mode ^ two.st_mode) & ~(stat.S_ISUID | stat.S_ISGID)
        (by_right if only_set_id and not rights.may_own(one) else what).append("mode")
    if one.st_mtime_ns != two.st_mtime_ns:
        what.append("mtime")
    if stat.S_ISREG(one.st_mode) and one.st_size != two.st_size:
        what.append("size")
    if (stat.S_ISCHR(one.st_mode) or stat.S_ISBLK(one.st_mode)) and one.st_rdev != two.st_rdev:
        what.append("device")
    return Finding(tuple(what), tuple(by_right))


def compare_content(
    folder_one: int,
    name_one: bytes,
    folder_two: int,
    name_two: bytes,
    status: os.stat_result,
    rights: Rights,
    caches: tuple[CacheKeeper, CacheKeeper],
) -> Finding:
    """Link target, extended attributes, bytes, which `caches` read. Raises OSError for what this user can't read."""
    if stat.S_ISLNK(status.st_mode):
        equal = os.readlink(name_one, dir_fd=folder_one) == os.readlink(name_two, dir_fd=folder_two)
        finding = compare_xattrs(_path(folder_one, name_one), _path(folder_two, name_two), rights)
        return finding if equal else Finding(("target", *finding.what), finding.by_right)
    if not stat.S_ISREG(status.st_mode):
        return compare_xattrs(_path(folder_one, name_one), _path(folder_two, name_two), rights)
    one = open_file_in(folder_one, name_one)
    try:
        two = open_file_in(folder_two, name_two)
        try:
            finding = compare_xattrs(one, two, rights)
            return finding if _same_bytes(one, two, caches) else Finding(("content", *finding.what), finding.by_right)
        finally:
            os.close(two)
    finally:
        os.close(one)


def compare_xattrs(one: int | bytes, two: int | bytes, rights: Rights, *, follow: bool = False) -> Finding:
    """Of open files, or of paths; `follow`: of what a link points to."""
    left, right = dict(xattrs_of(one, follow=follow)), dict(xattrs_of(two, follow=follow))
    if left == right:
        return Finding()
    what: list[str] = []
    by_right: list[str] = []
    for name in sorted(left.keys() | right.keys()):
        if left.get(name) != right.get(name):
            text = f"xattr {name.decode('utf-8', 'backslashreplace')}"
            (what if rights.may_set(name) else by_right).append(text)
    return Finding(tuple(what), tuple(by_right))


def _same_bytes(one: int, two: int, caches: tuple[CacheKeeper, CacheKeeper]) -> bool:
    at = 0
    with caches[0].reading(one), caches[1].reading(two):
        while True:
            start = min(_next_data(one, at), _next_data(two, at))
            if start == _NO_DATA:
                return True
            at = max(at, start // _ALIGN * _ALIGN)
            wanted = min(_READ_BYTES, max(os.fstat(one).st_size - at, 0) + 1)
            left, right = _piece(caches[0], at, wanted), _piece(caches[1], at, wanted)
            if left != right:
                return False
            if not left:
                return True
            at += len(left)


def _piece(cache: CacheKeeper, at: int, wanted: int) -> bytearray:
    data = bytearray(wanted)
    del data[cache.fill(memoryview(data), at) :]
    return data


def _next_data(fd: int, at: int) -> int:
    """Where data begins, at or after `at`; far beyond any file's end where there is none."""
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return _NO_DATA
        if error.errno == errno.EINVAL:
            return at
        raise


def _path(folder: int, name: bytes) -> bytes:
    return b"/proc/self/fd/%d/%s" % (folder, name)
