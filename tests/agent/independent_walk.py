"""Compares two trees by what the kernel says of them, with no code of the product: stat, readlink, xattrs, content.

Descends by folder descriptors, so paths may be of any length. Content is compared without regard to where the holes
lie; `allocated` is compared apart, since a file system may allocate a little more.
"""

import errno
import hashlib
import os
import stat
from dataclasses import dataclass, fields
from pathlib import Path

_PAGE = 4096
_READ = 2**20
_ZEROS = bytes(_READ)
_ZERO_PAGE = bytes(_PAGE)


@dataclass(frozen=True)
class Facts:
    """What must be equal after a restore. `links` are the other paths of the tree that are the same file."""

    kind: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int
    content: str
    target: bytes
    device: tuple[int, int]
    xattrs: tuple[tuple[str, bytes], ...]
    links: frozenset[bytes] = frozenset()


def walk(root: Path | bytes, *, content: bool = True) -> dict[bytes, Facts]:
    """Every entry below `root` by its path below it; `root` itself under the path `b"."`."""
    top = os.fsencode(root)
    found: dict[bytes, Facts] = {}
    same: dict[tuple[int, int], list[bytes]] = {}
    parent = os.open(os.path.dirname(top) or b"/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        _walk(parent, os.path.basename(top) or b".", b".", found, same, content)
    finally:
        os.close(parent)
    for paths in same.values():
        if len(paths) > 1:
            for path in paths:
                values = {item.name: getattr(found[path], item.name) for item in fields(Facts)}
                found[path] = Facts(**{**values, "links": frozenset(paths) - {path}})
    return found


def differences(
    original: dict[bytes, Facts], other: dict[bytes, Facts], *, ignore: frozenset[str] = frozenset()
) -> list[str]:
    """One line for each difference; empty if there is none. `ignore` names fields of `Facts`."""
    lines = [f"{path!r} is missing" for path in sorted(original.keys() - other.keys())]
    lines += [f"{path!r} is too much" for path in sorted(other.keys() - original.keys())]
    for path in sorted(original.keys() & other.keys()):
        for item in fields(Facts):
            left, right = getattr(original[path], item.name), getattr(other[path], item.name)
            if item.name not in ignore and left != right:
                lines.append(f"{path!r}: {item.name} was {left!r}, is {right!r}")
    return lines


def allocated_bytes(root: Path | bytes) -> int:
    """What the tree takes on its file system, hard links once."""
    seen: dict[tuple[int, int], int] = {}
    for _, folders, files, fd in os.fwalk(os.fsencode(root), follow_symlinks=False):
        for name in (*folders, *files):
            status = os.lstat(name, dir_fd=fd)
            seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(seen.values())


def _walk(
    parent: int,
    name: bytes,
    path: bytes,
    found: dict[bytes, Facts],
    same: dict[tuple[int, int], list[bytes]],
    content: bool,
) -> None:
    status = os.lstat(name, dir_fd=parent)
    folder = stat.S_ISDIR(status.st_mode)
    found[path] = _facts(parent, name, status, content)
    if not folder and status.st_nlink > 1:
        same.setdefault((status.st_dev, status.st_ino), []).append(path)
    if not folder:
        return
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        for below in sorted(map(os.fsencode, os.listdir(fd))):
            _walk(fd, below, below if path == b"." else path + b"/" + below, found, same, content)
    finally:
        os.close(fd)


def _facts(parent: int, name: bytes, status: os.stat_result, content: bool) -> Facts:
    kind = stat.S_IFMT(status.st_mode)
    is_device = kind in {stat.S_IFCHR, stat.S_IFBLK}
    return Facts(
        kind=_KINDS[kind],
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime_ns=status.st_mtime_ns,
        size=status.st_size if kind == stat.S_IFREG else 0,
        content=_content(parent, name) if content and kind == stat.S_IFREG else "",
        target=os.readlink(name, dir_fd=parent) if kind == stat.S_IFLNK else b"",
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if is_device else (0, 0),
        xattrs=_xattrs(parent, name),
    )


def _xattrs(parent: int, name: bytes) -> tuple[tuple[str, bytes], ...]:
    at = b"/proc/self/fd/%d/%s" % (parent, name)
    try:
        names = os.listxattr(at, follow_symlinks=False)
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.EACCES, errno.EPERM}:
            return ()
        raise
    return tuple(sorted((item, os.getxattr(at, item, follow_symlinks=False)) for item in names))


def _content(parent: int, name: bytes) -> str:
    """SHA-256 over the places and bytes of all pages that aren't zero: the same however the holes lie."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
    digest = hashlib.sha256()
    try:
        at = 0
        while True:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA) // _PAGE * _PAGE
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return digest.hexdigest()
                raise
            end = os.lseek(fd, at, os.SEEK_HOLE)
            while at < end:
                data = os.pread(fd, min(_READ, end - at), at)
                if not data:
                    return digest.hexdigest()
                if data != _ZEROS[: len(data)]:
                    for offset in range(0, len(data), _PAGE):
                        page = data[offset : offset + _PAGE]
                        if page != _ZERO_PAGE[: len(page)]:
                            digest.update(b"%d:" % (at + offset) + page.rstrip(b"\0") + b";")
                at += len(data)
    finally:
        os.close(fd)


_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "char device",
    stat.S_IFBLK: "block device",
}
