"""What the backup takes of the folders on this server, for a comparison: what it leaves out is no difference.

The rules are asked as the backup's scan asks them: of each folder which of them hold, of what the snapshot doesn't have
whether one of them takes it."""

import os
import stat
from collections.abc import Iterable

from phoenix_core.agent.backup.content import Content
from phoenix_core.agent.backup.fate import Fate, Fates
from phoenix_core.agent.backup.leftout import OWN_DATA, LeftOut
from phoenix_core.agent.backup.levels import Level
from phoenix_core.agent.backup.marks import is_own, is_own_way
from phoenix_core.agent.backup.mounts import Mounts, is_virtual_folder
from phoenix_core.agent.backup.records import join
from phoenix_core.agent.backup.ruleset import NOBODY
from phoenix_core.agent.backup.sift import Sift
from phoenix_core.agent.restore.folders import proc_path
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.tree import read_tree

OTHER_FILE_SYSTEM = "other_file_system"


class CompareSieve:
    def __init__(self, content: Content, mounts: Mounts, folder: bytes = b"") -> None:
        """`folder` stands for the snapshot's `/`, empty for `/` itself."""
        self._content = content
        self._mounts = mounts
        self._folder = os.path.realpath(folder).rstrip(b"/") if folder else b""
        untold = LeftOut(lambda _path, _reason: None)
        self._sift = Sift(content.rules, untold)
        self._fates = Fates(content.rules, untold)

    def top(self, fd: int) -> Level:
        """The folder that stands for `/`, open."""
        root = self._content.sources
        level = Level(b"/", fd, os.fstat(fd), iter(()), None, root, not root.is_source)
        level.takers = self._content.rules.at(root.rules)
        return level

    def below(self, above: Level, name: bytes, status: os.stat_result) -> Level | None:
        """A folder in another one, not open yet; None where the backup doesn't go into it. What is mounted is entered
        where a rule says so, where it is named itself, and on the way to what is named."""
        path = join(above.path, name)
        node = above.node.below.get(name) if above.node else None
        is_virtual = self._mounts.is_virtual_device(status.st_dev)
        is_mount = self._is_mount(above, path, status)
        is_out = self._fates.of(above, name, node, status, is_folder=True) is Fate.WAY
        takers = NOBODY if is_out else self._sift.takers(above, node, beyond_mount=is_mount)
        is_way = node is not None and (is_out or not node.is_source)
        if (is_virtual and not is_way) or (is_mount and not takers.mask and node is None):
            return None
        partial = not takers.mask or (is_way and (above.partial or is_virtual))
        level = Level(path, -1, status, iter(()), None, node, partial)
        level.takers = takers
        return level

    def opened(self, above: Level, level: Level, fd: int) -> str:
        """Tell the level its descriptor. Why the backup doesn't go into it all the same; empty: it does. Raises
        OSError."""
        level.fd, level.status = fd, os.fstat(fd)
        if level.partial:
            return OWN_DATA if is_own_way(fd, _named_in(level)) else ""
        if self._is_mount(above, level.path, level.status) and is_virtual_folder(fd):
            return OTHER_FILE_SYSTEM
        return OWN_DATA if is_own(fd, _listing(fd)) else ""

    def names(self, level: Level) -> list[bytes]:
        """Of what is in an open folder what the backup looks at, sorted. Raises OSError."""
        if level.partial:
            return _named_in(level)
        names = _listing(level.fd)
        level.names = iter(names)
        self._sift.enter(level, names)
        return _among(level.names, names)

    def leaves_out(self, above: Level, name: bytes, status: os.stat_result) -> bool:
        """Whether the backup would not take the entry. Of a folder's content nothing is said."""
        node = above.node.below.get(name) if above.node else None
        is_folder = stat.S_ISDIR(status.st_mode)
        if node is not None and node.below and not is_folder:
            if not (node.is_source or above.is_taken):
                return True
            node = node if node.is_source else None
        if self._fates.of(above, name, node, status, is_folder=is_folder) is Fate.OUT:
            return True
        if is_folder:
            return False
        if self._mounts.is_virtual_device(status.st_dev):
            return True
        if not stat.S_ISREG(status.st_mode):
            return False
        takers = self._sift.takers(above, node)
        return bool(takers.objection(above.path, name, status.st_size, status.st_mtime_ns))

    def _is_mount(self, above: Level, path: bytes, status: os.stat_result) -> bool:
        return status.st_dev != above.status.st_dev or self._mounts.is_point(self._folder + path)


def taken(source: ChunkSource, root: bytes) -> tuple[bytes, ...]:
    """What a snapshot is of, as far as its trees tell: the entries that aren't merely on the way. Raises as
    `read_tree`."""
    found: list[bytes] = []
    ways = [(b"/", root)]
    while ways:
        path, tree = ways.pop()
        for entry in read_tree(source, tree):
            at = join(path, entry.name)
            if entry.is_directory and entry.partial:
                ways.append((at, entry.tree))
            else:
                found.append(at)
    return tuple(sorted(found))


def _named_in(level: Level) -> list[bytes]:
    """The names in a folder on the way."""
    return sorted(level.node.below) if level.node is not None else []


def _listing(fd: int) -> list[bytes]:
    """The names in a folder that is open for its path only, sorted. Raises OSError."""
    return sorted(map(os.fsencode, os.listdir(proc_path(fd))))


def _among(wanted: Iterable[bytes], names: list[bytes]) -> list[bytes]:
    there = set(names)
    return [name for name in wanted if name in there]
