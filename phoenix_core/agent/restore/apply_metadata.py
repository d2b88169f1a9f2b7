"""Gives a restored entry its owner, mode, extended attributes, ACLs, capabilities and times.

In this order: owner (a change of owner takes set-id bits and capabilities away), attributes that need the right to
write, mode, then ACLs and capabilities (an ACL says what of the mode is its mask), times last. What this user or file
system does not allow is told, and is no failure. Owners go by name where this host has the name, else by number; a
set-id bit is left off where its owner could not be set, for it would hand out somebody else's rights.
"""

import errno
import grp
import os
import pwd
import stat
import time
from collections.abc import Callable

from phoenix_core.agent.restore.errors import FULL, reason_of
from phoenix_core.agent.restore.folders import proc_path
from phoenix_core.vault.entry import Entry

_NOT_ALLOWED = frozenset({errno.EPERM, errno.EACCES, errno.EINVAL, errno.EOVERFLOW, errno.ENOSYS, errno.ENOTSUP})
_NO_ATTRIBUTE = _NOT_ALLOWED | {errno.ERANGE, errno.E2BIG, errno.ENOSPC, errno.EDQUOT, errno.ENODATA, errno.EIO}
_ACLS = (b"system.posix_acl_access", b"system.posix_acl_default")
_AFTER_MODE = (*_ACLS, b"security.capability")
_OURS = (b"user.", b"trusted.")
DEFAULT_ACL = b"system.posix_acl_default"
At = int | bytes
"""An open descriptor, or a path that stands for one."""


class OwnerNumbers:
    """Numbers of user and group names on this host, each looked up once."""

    def __init__(self) -> None:
        self._users: dict[tuple[str, int], int] = {}
        self._groups: dict[tuple[str, int], int] = {}

    def user(self, name: str, number: int) -> int:
        """The name's number here; `number` where the name is empty or unknown."""
        return self._number(self._users, name, number, lambda: pwd.getpwnam(name).pw_uid)

    def group(self, name: str, number: int) -> int:
        return self._number(self._groups, name, number, lambda: grp.getgrnam(name).gr_gid)

    @staticmethod
    def _number(known: dict[tuple[str, int], int], name: str, number: int, look_up: Callable[[], int]) -> int:
        found = known.get((name, number))
        if found is None:
            try:
                found = look_up() if name else number
            except (KeyError, OSError, ValueError):
                found = number
            known[name, number] = found
        return found


class MetadataSetter:
    """Not thread-safe. Each method returns what could not be applied, as `what: ERRNO`."""

    def __init__(self) -> None:
        self.owners = OwnerNumbers()
        self._own_numbers = (os.geteuid(), os.getegid())
        self._is_own: dict[tuple[str, int, str, int], bool] = {}
        self._now_ns = time.time_ns()

    def apply(self, at: At, entry: Entry, *, clean: bool) -> list[str]:
        """To a file, folder or node. `clean`: it has no extended attributes yet. Raises OSError."""
        problems: list[str] = []
        mode = self._set_owner(at, entry, problems)
        xattrs = entry.xattrs
        if not clean:
            self._remove_others(at, entry)
        if xattrs:
            self._set_xattrs(at, [pair for pair in xattrs if pair[0] not in _AFTER_MODE], problems, follow=True)
        try:
            os.chmod(at, mode)
        except OSError as error:
            _allowed(error, _NOT_ALLOWED)
            problems.append(f"mode {mode:o}: {reason_of(error)}")
        if xattrs:
            self._set_xattrs(at, [pair for pair in xattrs if pair[0] in _AFTER_MODE], problems, follow=True)
        self._set_times(at, entry, problems)
        return problems

    def is_plain(self, entry: Entry) -> bool:
        """Whether a file made with the entry's mode by this process has its owner and attributes too, so that only its
        times are to be set: unless the folder or the file system gives new files something else."""
        if entry.xattrs or entry.mode & ~0o777:
            return False
        owner = (entry.owner, entry.uid, entry.group, entry.gid)
        is_own = self._is_own.get(owner)
        if is_own is None:
            is_own = self._is_own[owner] = self.numbers(entry) == self._own_numbers
        return is_own

    def made_as_wanted(self, status: os.stat_result, entry: Entry) -> bool:
        """Whether a file that `is_plain` came out as it should."""
        return (status.st_uid, status.st_gid) == self._own_numbers and stat.S_IMODE(status.st_mode) == entry.mode

    def set_times(self, fd: int, entry: Entry) -> list[str]:
        """Of a file that `is_plain`. Raises OSError."""
        problems: list[str] = []
        self._set_times(fd, entry, problems)
        return problems

    def apply_to_link(self, folder: int, entry: Entry, name: bytes) -> list[str]:
        """To the symbolic link `name` itself; it has no mode. Raises OSError."""
        problems: list[str] = []
        uid, gid = self.numbers(entry)
        try:
            os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            _allowed(error, _NOT_ALLOWED)
            problems.append(f"owner {_owner_text(entry)}: {reason_of(error)}")
        if entry.xattrs:
            self._set_xattrs(proc_path(folder) + b"/" + name, list(entry.xattrs), problems, follow=False)
        try:
            os.utime(name, ns=(self._now_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            _allowed(error, _NOT_ALLOWED)
            problems.append(f"times: {reason_of(error)}")
        return problems

    def numbers(self, entry: Entry) -> tuple[int, int]:
        """User and group number that the entry is to have on this host."""
        return self.owners.user(entry.owner, entry.uid), self.owners.group(entry.group, entry.gid)

    def _set_owner(self, at: At, entry: Entry, problems: list[str]) -> int:
        """Returns the mode that may be set then."""
        uid, gid = self.numbers(entry)
        try:
            os.chown(at, uid, gid)
        except OSError as error:
            _allowed(error, _NOT_ALLOWED)
            problems.append(f"owner {_owner_text(entry)}: {reason_of(error)}")
        else:
            return entry.mode
        try:
            os.chown(at, -1, gid)
        except OSError as error:
            _allowed(error, _NOT_ALLOWED)
        status = os.stat(at)
        mode = entry.mode
        if not entry.is_directory:
            mode &= ~stat.S_ISUID if status.st_uid != uid else -1
            mode &= ~stat.S_ISGID if status.st_gid != gid else -1
        if mode != entry.mode:
            problems.append(f"mode {entry.mode:o}: set-id bits left off")
        return mode

    def _set_xattrs(self, at: At, xattrs: list[tuple[bytes, bytes]], problems: list[str], *, follow: bool) -> None:
        for name, value in xattrs:
            try:
                os.setxattr(at, name, value, follow_symlinks=follow)
            except OSError as error:
                _allowed(error, _NO_ATTRIBUTE)
                if error.errno in FULL and _is_full(at):
                    raise
                problems.append(f"xattr {name.decode('utf-8', 'backslashreplace')}: {reason_of(error)}")

    @staticmethod
    def _remove_others(at: At, entry: Entry) -> None:
        """Attributes that were there before, or came from the folder's default ACL, and are not the entry's."""
        wanted = {name for name, _ in entry.xattrs}
        try:
            found = [os.fsencode(name) for name in os.listxattr(at)]
        except OSError as error:
            _allowed(error, _NO_ATTRIBUTE)
            return
        for name in found:
            if name not in wanted and (name.startswith(_OURS) or name in _AFTER_MODE):
                try:
                    os.removexattr(at, name)
                except OSError as error:
                    _allowed(error, _NO_ATTRIBUTE)

    def _set_times(self, at: At, entry: Entry, problems: list[str]) -> None:
        try:
            os.utime(at, ns=(self._now_ns, entry.mtime_ns))
        except OSError as error:
            _allowed(error, _NOT_ALLOWED)
            problems.append(f"times: {reason_of(error)}")


def drop_default_acl(at: At) -> None:
    """Of a folder just made: else what is restored into it would inherit ACLs that are not its own."""
    try:
        os.removexattr(at, DEFAULT_ACL)
    except OSError as error:
        _allowed(error, _NO_ATTRIBUTE)


def _allowed(error: OSError, expected: frozenset[int]) -> None:
    if error.errno not in expected:
        raise error


def _is_full(at: At) -> bool:
    return os.statvfs(at).f_bavail == 0


def _owner_text(entry: Entry) -> str:
    return f"{entry.owner or entry.uid}:{entry.group or entry.gid}"
