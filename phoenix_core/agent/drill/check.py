"""Checks what a drill restored, entry by entry, against the trees of the snapshot.

The trees are read anew, and the scratch place is looked at as it lies on the disk: by descent from its root, whatever
the length of the paths. The place may be changed by it (modes, so that all can be read): it is removed afterwards.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from phoenix_core.agent.backup.metadata import TYPES
from phoenix_core.agent.drill.content import content_fault
from phoenix_core.agent.drill.metadata import Lacks, what_it_lacks
from phoenix_core.agent.restore.apply_metadata import OwnerNumbers
from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.agent.restore.folders import FolderCache, open_root, proc_path
from phoenix_core.agent.restore.selection import uncovered
from phoenix_core.agentlink.drillmessages import DrillFailure, DrillFindings
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.names import shown
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.tree import entry_chunks, read_tree
from phoenix_core.vault.treewalk import descend

LISTED_MAX = 1000
LISTED_CHARACTERS = 2**20
"""Of all paths in a list: the findings must fit into one message."""
NOT_RESTORED = "not restored"
_NODES: dict[EntryType, int] = {
    kind: mode for mode, kind in TYPES.items() if kind not in {EntryType.FILE, EntryType.DIRECTORY, EntryType.SYMLINK}
}
"""What mknod(2) makes, as far as this user and place may have it."""
Tick = Callable[[bytes, int], None]
"""Told the path that is looked at, and bytes that were read; what it raises ends the check."""


@dataclass
class _List:
    count: int = 0
    kept: list[DrillFailure] = field(default_factory=list)
    characters: int = 0

    def add(self, path: str, what: str) -> None:
        self.count += 1
        self.characters += len(path) + len(what)
        if len(self.kept) < LISTED_MAX and self.characters <= LISTED_CHARACTERS:
            self.kept.append(DrillFailure(path, what))


class Check:
    """`run` it once."""

    def __init__(
        self, source: ChunkSource, data_id_key: bytes, place: bytes, missing: Mapping[str, str], tick: Tick
    ) -> None:
        """`source`: of the snapshot's trees. `place`: the scratch folder. `missing`: what the restore said that it
        could not restore, and why."""
        self._source = source
        self._id_key = data_id_key
        self._place = place
        self._missing = missing
        self._tick = tick
        self._owners = OwnerNumbers()
        self._links: dict[tuple[int, int], tuple[Entry, int]] = {}
        self._failures, self._not_carried = _List(), _List()
        self._files = self._others = self._bytes = 0
        self._told: set[str] = set()

    def run(self, root: bytes, paths: Sequence[bytes]) -> DrillFindings:
        """Of these paths with all below them; none: of the whole snapshot. Raises what `tick` raises, OSError where the
        scratch place itself is gone, and what the node and the core raise that is no damage."""
        place = open_root(self._place)
        self._folders = FolderCache(place)
        try:
            for way in uncovered(paths):
                self._check_path(root, b"/" + b"/".join(way))
        finally:
            self._folders.close()
            os.close(place)
        for path, why in self._missing.items():
            if path not in self._told:
                self._failures.add(path, why)
        return DrillFindings(
            files=self._files,
            bytes=self._bytes,
            others=self._others,
            failures=tuple(self._failures.kept),
            failure_count=self._failures.count,
            not_carried=tuple(self._not_carried.kept),
            not_carried_count=self._not_carried.count,
        )

    def _check_path(self, root: bytes, path: bytes) -> None:
        try:
            way = descend(self._source, root, path)
        except PhoenixError as error:
            self._fail_damaged(path, error)
            return
        for at, _ in way[1:-1]:
            self._make_accessible(at)
        at, entry = way[-1]
        if at != b"/":
            self._visit(at, entry)
        if entry.is_directory:
            self._walk(at.rstrip(b"/"), entry)

    def _walk(self, top: bytes, folder: Entry) -> None:
        stack = [(top, self._entries(top, folder.tree))]
        while stack:
            above, entries = stack[-1]
            entry = next(entries, None)
            if entry is None:
                stack.pop()
                continue
            path = above + b"/" + entry.name
            self._visit(path, entry)
            if entry.is_directory:
                stack.append((path, self._entries(path, entry.tree)))

    def _entries(self, path: bytes, tree: bytes) -> Iterator[Entry]:
        try:
            yield from read_tree(self._source, tree)
        except PhoenixError as error:
            self._fail_damaged(path or b"/", error)

    def _visit(self, path: bytes, entry: Entry) -> None:
        self._tick(path, 0)
        folder, _, name = path.rpartition(b"/")
        try:
            at = proc_path(self._folders.open(folder[1:])) + b"/" + name
            status = os.lstat(at)
        except OSError:
            self._absent(path, entry, folder, name)
            return
        if TYPES.get(stat.S_IFMT(status.st_mode)) is not entry.type:
            self._fail(path, "it is of another type")
            return
        try:
            self._compare(path, at, entry, status)
        except OSError as error:
            self._fail(path, f"it can't be read back: {error.strerror}")

    def _compare(self, path: bytes, at: bytes, entry: Entry, status: os.stat_result) -> None:
        # Of a folder on the way only what is below it was to be restored.
        lacks = Lacks() if entry.partial else what_it_lacks(at, entry, status, self._owners)
        faults = list(lacks.failed)
        if entry.is_directory:
            self._make_accessible(path)
        elif entry.is_file:
            faults += self._content(path, at, entry)
        elif entry.type is EntryType.SYMLINK and os.readlink(at) != entry.target:
            faults.append("it points elsewhere")
        elif (os.major(status.st_rdev), os.minor(status.st_rdev)) != (entry.rdev_major, entry.rdev_minor):
            faults.append("it is another device")
        faults += self._link(entry, status)
        self._files += entry.is_file
        self._others += not entry.is_file
        if faults:
            self._fail(path, ", ".join(faults))
        if lacks.not_carried:
            self._not_carried.add(shown(path), ", ".join(lacks.not_carried))

    def _content(self, path: bytes, at: bytes, entry: Entry) -> list[str]:
        fd = _open(at)
        try:
            chunks = entry_chunks(self._source, entry)
            fault = content_fault(fd, entry, chunks, self._id_key, lambda count: self._tick(path, count))
        except PhoenixError as error:
            fault = damage_reason(error)
            if not fault:
                raise
        finally:
            os.close(fd)
        self._bytes += 0 if fault else entry.size
        return [fault] if fault else []

    def _link(self, entry: Entry, status: os.stat_result) -> list[str]:
        """Names of one file must be names of one file again."""
        if entry.links < 2 or not entry.device:
            return []
        first, inode = self._links.setdefault((entry.device, entry.inode), (entry, status.st_ino))
        same = (first.type, first.size, first.mtime_ns) == (entry.type, entry.size, entry.mtime_ns)
        return ["it is no hard link any more"] if same and inode != status.st_ino else []

    def _make_accessible(self, path: bytes) -> None:
        """So that a user whom modes stop can look into the folder."""
        try:
            os.chmod(proc_path(self._folders.open(path[1:])), 0o700)
        except OSError:
            return  # whoever looks into it meets the error, and tells it

    def _absent(self, path: bytes, entry: Entry, folder: bytes, name: bytes) -> None:
        if entry.type in _NODES and not self._can_be_made(folder, name, entry):
            self._others += 1
            self._not_carried.add(shown(path), "this user or place can't have such a node")
            return
        self._fail(path, self._missing.get(shown(path), NOT_RESTORED))

    def _can_be_made(self, folder: bytes, name: bytes, entry: Entry) -> bool:
        try:
            at = self._folders.open(folder[1:])
            device = os.makedev(entry.rdev_major, entry.rdev_minor)
            os.mknod(name, _NODES[entry.type] | 0o600, device, dir_fd=at)
            os.unlink(name, dir_fd=at)
        except OSError:
            return False
        return True

    def _fail(self, path: bytes, what: str) -> None:
        text = shown(path)
        self._told.add(text)
        self._failures.add(text, what)

    def _fail_damaged(self, path: bytes, error: PhoenixError) -> None:
        reason = damage_reason(error)
        if not reason:
            raise error
        self._fail(path, reason)


def _open(at: bytes) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(at, flags)
    except PermissionError:
        os.chmod(at, 0o600)
        return os.open(at, flags)
