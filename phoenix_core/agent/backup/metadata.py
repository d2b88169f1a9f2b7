"""What an entry says of a file besides its content: owner by number and name, times, extended attributes, ACLs."""

import errno
import grp
import os
import pwd
import stat

from phoenix_core.agent.backup.statx import BirthTimes
from phoenix_core.agent.backup.views import LIVE, Views
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType, Extent

Xattrs = tuple[tuple[bytes, bytes], ...]
Chunks = tuple[ChunkRef, ...]
Extents = tuple[Extent, ...] | None
TYPES = {
    stat.S_IFREG: EntryType.FILE,
    stat.S_IFDIR: EntryType.DIRECTORY,
    stat.S_IFLNK: EntryType.SYMLINK,
    stat.S_IFIFO: EntryType.FIFO,
    stat.S_IFSOCK: EntryType.SOCKET,
    stat.S_IFCHR: EntryType.CHAR_DEVICE,
    stat.S_IFBLK: EntryType.BLOCK_DEVICE,
}
_NO_XATTRS = frozenset({errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.ENODATA, errno.ENOSYS})


class Owners:
    """Names of user and group numbers, each looked up once."""

    def __init__(self) -> None:
        self._users: dict[int, str] = {}
        self._groups: dict[int, str] = {}

    def user(self, uid: int) -> str:
        """Empty where the number has no name."""
        name = self._users.get(uid)
        if name is None:
            try:
                name = pwd.getpwuid(uid).pw_name
            except (KeyError, OSError):
                name = ""
            self._users[uid] = name
        return name

    def group(self, gid: int) -> str:
        name = self._groups.get(gid)
        if name is None:
            try:
                name = grp.getgrgid(gid).gr_name
            except (KeyError, OSError):
                name = ""
            self._groups[gid] = name
        return name


class EntryMaker:
    """Makes entries from what the kernel says. Not thread-safe."""

    def __init__(self, views: Views = LIVE) -> None:
        self.owners = Owners()
        self._views = views
        self._births = BirthTimes()

    def of_open(self, fd: int, name: bytes, status: os.stat_result) -> Entry:
        """The entry of an open file or folder, without content; `status` is its fstat."""
        return self._entry(name, status, xattrs_of(fd), self._births.of(fd))

    def of_file(
        self, fd: int, name: bytes, status: os.stat_result, size: int, chunks: Chunks, extents: Extents, *, fixed: bool
    ) -> Entry:
        """The entry of an open file with its content; `status` is its fstat."""
        birth_ns = self._births.of(fd)
        return self._entry(
            name, status, xattrs_of(fd), birth_ns, size=size, chunks=chunks, extents=extents, fixed=fixed
        )

    def of_path_only(self, fd: int, name: bytes, status: os.stat_result) -> Entry:
        """The same for a folder that is open for its path only (`O_PATH`)."""
        return self._entry(name, status, xattrs_of(b"/proc/self/fd/%d" % fd, follow=True), self._births.of(fd))

    def bare(self, name: bytes, status: os.stat_result) -> Entry:
        """The entry of something that isn't to be touched: only what its lstat says."""
        return self._entry(name, status, (), None)

    def in_folder(self, folder: int, name: bytes, status: os.stat_result) -> Entry:
        """The entry of a link, FIFO, socket or device in the open folder; `status` is its lstat. Raises OSError."""
        xattrs = xattrs_of(b"/proc/self/fd/%d/%s" % (folder, name))
        target = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(status.st_mode) else b""
        return self._entry(name, status, xattrs, self._births.of(folder, name), target)

    def _entry(
        self,
        name: bytes,
        status: os.stat_result,
        xattrs: Xattrs,
        birth_ns: int | None,
        target: bytes = b"",
        *,
        size: int = 0,
        chunks: Chunks = (),
        extents: Extents = None,
        fixed: bool = False,
    ) -> Entry:
        kind = TYPES[stat.S_IFMT(status.st_mode)]
        is_device = kind is EntryType.CHAR_DEVICE or kind is EntryType.BLOCK_DEVICE
        links = 1 if kind is EntryType.DIRECTORY else status.st_nlink
        return Entry(
            name,
            kind,
            stat.S_IMODE(status.st_mode),
            status.st_uid,
            status.st_gid,
            self.owners.user(status.st_uid),
            self.owners.group(status.st_gid),
            status.st_mtime_ns,
            status.st_ctime_ns,
            birth_ns,
            status.st_ino,
            self._views.live_device(status.st_dev) if links > 1 else 0,
            links,
            size,
            xattrs,
            target,
            os.major(status.st_rdev) if is_device else 0,
            os.minor(status.st_rdev) if is_device else 0,
            extents,
            chunks,
            fixed_chunks=fixed,
        )


def xattrs_of(at: int | bytes, *, follow: bool = False) -> Xattrs:
    """All extended attributes that this user may read, sorted by name: of an open file, or of a path.

    ACLs and capabilities are among them. One that vanishes or may not be read is left out. `follow`: of what a link
    points to; an open file has no choice."""
    follow = follow or isinstance(at, int)
    try:
        names = os.listxattr(at, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return ()
        raise
    if not names:
        return ()
    found: list[tuple[bytes, bytes]] = []
    for name in names:
        try:
            value = os.getxattr(at, name, follow_symlinks=follow)
        except OSError as error:
            if error.errno in _NO_XATTRS:
                continue
            raise
        found.append((os.fsencode(name), value))
    return tuple(sorted(found))
