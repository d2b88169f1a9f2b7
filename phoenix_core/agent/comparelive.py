"""Walks a snapshot's trees and the folders on this server side by side, and tells what differs.

Folders are opened one below the other, never through a link, so that paths may be of any length and nothing is compared
that isn't where it says."""

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from phoenix_core.agent.backup.metadata import TYPES, xattrs_of
from phoenix_core.agent.backup.mounts import Mounts
from phoenix_core.agent.restore.content import extents_of, has_content, has_holes
from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.agent.restore.folders import Descent, open_root, proc_path
from phoenix_core.agent.restore.ownfolders import kind_of
from phoenix_core.agent.restore.selection import uncovered
from phoenix_core.agentlink.comparemessages import CompareFindings, Difference
from phoenix_core.agentlink.reports import MissingFile, RestoreResult
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.names import shown
from phoenix_core.domain.patterns import Patterns
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.errors import PathNotInSnapshot
from phoenix_core.vault.filelists import entry_chunks
from phoenix_core.vault.tree import read_tree
from phoenix_core.vault.treewalk import descend

LISTED_MAX = 10_000
LISTED_BYTES = 4 * 2**20
"""Of paths: a result travels as one message."""
UNREAD_MAX = 1000
CHANGES = ("same", "added", "removed", "content", "metadata", "type")
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_AHEAD = 64

Tick = Callable[[bytes, int, int], None]
"""Told the path that is looked at, the entries and the bytes of files so far; what it raises ends the walk."""


@dataclass(frozen=True)
class Rules:
    """What is compared, and how."""

    folder: bytes = b""
    """What stands for the snapshot's `/`; empty: `/` itself."""
    id_key: bytes = b""
    """The key of data chunks' ids: all files are read and hashed; empty: size and time decide."""
    excludes: Patterns = field(default_factory=lambda: Patterns(()))
    mounts: Mounts = field(default_factory=Mounts.current)
    cross_mounts: bool = False


@dataclass
class Findings:
    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(CHANGES, 0)))
    listed: list[Difference] = field(default_factory=list)
    unread: list[MissingFile] = field(default_factory=list)
    unread_count: int = 0
    not_compared: int = 0
    read_bytes: int = 0
    _listed_bytes: int = 0

    def add(self, path: bytes, change: str, before: int = 0, after: int = 0, what: str = "") -> None:
        self.counts[change] += 1
        if change == "same" or len(self.listed) >= LISTED_MAX or self._listed_bytes >= LISTED_BYTES:
            return
        text = shown(path)
        self._listed_bytes += len(text)
        self.listed.append(Difference(text, change, before, after, what))

    def cannot_read(self, path: bytes, reason: str) -> None:
        self.not_compared += 1
        self.unread_count += 1
        if len(self.unread) < UNREAD_MAX:
            self.unread.append(MissingFile(shown(path), reason))

    def result(self) -> RestoreResult:
        found = CompareFindings(
            **{name: self.counts[name] for name in CHANGES},
            not_compared=self.not_compared,
            read_bytes=self.read_bytes,
            differences=tuple(self.listed),
        )
        return RestoreResult(missing=tuple(self.unread), missing_count=self.unread_count, compare=found)


@dataclass
class _Frame:
    """A folder on the way: of both sides, or of one of them."""

    path: bytes
    entries: Iterator[Entry]
    """Of the snapshot, by name."""
    names: list[bytes]
    """Of what is there, the first last."""
    is_live: bool
    only_entries: bool = False
    """What is there besides was not to be backed up."""
    entry: Entry | None = None


class LiveWalk:
    def __init__(
        self, source: ChunkSource, hint: Callable[[Sequence[ChunkId]], None], rules: Rules, tick: Tick
    ) -> None:
        """`hint` is told which trees will be wanted."""
        self.findings = Findings()
        self._source = source
        self._hint = hint
        self._rules = rules
        self._tick = tick
        self._looked_at = 0
        self._descent: Descent | None = None

    def run(self, root: bytes, paths: Sequence[bytes]) -> None:
        """Raises `PathNotInSnapshot`, what `tick` and the source raise, and OSError where the folder to compare with
        can't be opened."""
        folder = open_root(self._rules.folder or b"/")
        try:
            for way in uncovered(paths):
                self._descent = Descent(folder)
                try:
                    self._select(root, way)
                finally:
                    self._descent.close()
        finally:
            os.close(folder)

    @property
    def _at(self) -> Descent:
        assert self._descent is not None
        return self._descent

    def _select(self, root: bytes, way: tuple[bytes, ...]) -> None:
        if not way:
            self._walk(self._frame(b"", root, is_live=True, only_entries=True))
            return
        path = b"/" + b"/".join(way)
        try:
            entry = descend(self._source, root, path)[-1][1]
        except PathNotInSnapshot:
            raise
        except PhoenixError as error:
            self._damaged(path, error)
            return
        above = path.rpartition(b"/")[0]
        try:
            for name in way[:-1]:
                self._at.enter(name)
            is_live = True
        except OSError:
            is_live = False
        frame = _Frame(above, iter((entry,)), [], is_live, only_entries=True)
        self._walk(frame)

    # --- walking -----------------------------------------------------------------------------------------------------

    def _walk(self, top: _Frame | None) -> None:
        stack = [] if top is None else [top]
        while stack:
            frame = stack[-1]
            try:
                below = self._step(frame)
            except StopIteration:
                stack.pop()
                if frame.is_live and stack:
                    self._at.leave()
                continue
            if below is not None:
                stack.append(below)

    def _step(self, frame: _Frame) -> _Frame | None:
        """Compare the next name of a folder; what is to be gone into next. Raises StopIteration at its end."""
        entry = self._peek(frame)
        name = frame.names[-1] if frame.names else None
        if entry is not None and (name is None or entry.name <= name):
            frame.entry = None
            if name == entry.name:
                frame.names.pop()
            return self._pair(frame, entry.name, entry)
        if name is None:
            raise StopIteration
        frame.names.pop()
        return self._pair(frame, name, None)

    def _peek(self, frame: _Frame) -> Entry | None:
        if frame.entry is None:
            try:
                frame.entry = next(frame.entries, None)
            except PhoenixError as error:
                self._damaged(frame.path or b"/", error)
                frame.entries = iter(())
                frame.names.clear()  # what the snapshot had of them isn't known
        return frame.entry

    def _pair(self, frame: _Frame, name: bytes, entry: Entry | None) -> _Frame | None:
        path = frame.path + b"/" + name
        self._looked_at += 1
        if self._looked_at % _AHEAD == 0:
            self._tick(path, self._looked_at, self.findings.read_bytes)
        status = _status(self._at.fd, name) if frame.is_live else None
        if entry is None:
            return None if status is None else self._added(path, name, status)
        if status is None:
            self.findings.add(path, "removed", entry.size)
            return self._frame(path, entry.tree, is_live=False) if entry.is_directory else None
        if TYPES[stat.S_IFMT(status.st_mode)] is not entry.type:
            return self._other_type(path, name, entry, status)
        if entry.is_directory:
            return self._both_folders(path, name, entry, status)
        self._both(path, name, entry, status)
        return None

    def _added(self, path: bytes, name: bytes, status: os.stat_result) -> _Frame | None:
        is_folder = stat.S_ISDIR(status.st_mode)
        if self._rules.excludes.match(path, is_folder=is_folder) or self._is_elsewhere(path, status):
            return None
        if is_folder and not self._enter(path, name):
            return None
        self.findings.add(path, "added", 0, 0 if is_folder else status.st_size)
        return self._frame(path, b"", is_live=True) if is_folder else None

    def _other_type(self, path: bytes, name: bytes, entry: Entry, status: os.stat_result) -> _Frame | None:
        self.findings.add(path, "type", entry.size, 0 if stat.S_ISDIR(status.st_mode) else status.st_size)
        if entry.is_directory:
            return self._frame(path, entry.tree, is_live=False)
        if stat.S_ISDIR(status.st_mode) and not self._is_elsewhere(path, status) and self._enter(path, name):
            return self._frame(path, b"", is_live=True)
        return None

    def _both_folders(self, path: bytes, name: bytes, entry: Entry, status: os.stat_result) -> _Frame | None:
        if self._is_elsewhere(path, status):
            self.findings.not_compared += 1
            return None
        if not self._enter(path, name):
            return None
        what = [] if entry.partial else self._metadata(proc_path(self._at.fd), entry, status, follow=True)
        self.findings.add(path, "metadata" if what else "same", what=", ".join(what))
        return self._frame(path, entry.tree, is_live=True, only_entries=entry.partial)

    # --- folders -----------------------------------------------------------------------------------------------------

    def _enter(self, path: bytes, name: bytes) -> bool:
        """Go into a folder, unless it can't be read or is one of Phoenix's own."""
        try:
            self._at.enter(name)
        except OSError as error:
            self.findings.cannot_read(path, _reason(error))
            return False
        if kind_of(self._at.fd):
            self._at.leave()
            self.findings.not_compared += 1
            return False
        return True

    def _frame(self, path: bytes, tree: bytes, *, is_live: bool, only_entries: bool = False) -> _Frame:
        """Of a folder; the descent is in it already, where it is there."""
        names: list[bytes] = []
        entries = self._read(tree) if tree else iter(())
        if is_live and not only_entries:
            try:
                names = sorted(map(os.fsencode, os.listdir(proc_path(self._at.fd))), reverse=True)
            except OSError as error:
                self.findings.cannot_read(path, _reason(error))
                entries = iter(())
        return _Frame(path, entries, names, is_live, only_entries)

    def _read(self, tree: bytes) -> Iterator[Entry]:
        entries = read_tree(self._source, tree)
        while some := [entry for _, entry in zip(range(_AHEAD), entries, strict=False)]:
            self._hint([ChunkId(entry.tree) for entry in some if entry.is_directory])
            yield from some

    def _is_elsewhere(self, path: bytes, status: os.stat_result) -> bool:
        """Whether it lies on a file system that the backup would not have gone into."""
        if not stat.S_ISDIR(status.st_mode):
            return False
        if self._rules.mounts.is_virtual_device(status.st_dev):
            return True
        return not self._rules.cross_mounts and status.st_dev != self._at.device

    # --- entries -----------------------------------------------------------------------------------------------------

    def _both(self, path: bytes, name: bytes, entry: Entry, status: os.stat_result) -> None:
        try:
            change, what = self._change(name, entry, status)
        except FileNotFoundError:
            self.findings.add(path, "removed", entry.size)
            return
        except OSError as error:
            self.findings.cannot_read(path, _reason(error))
            return
        except PhoenixError as error:
            self._damaged(path, error)
            return
        self.findings.add(path, change, entry.size, status.st_size, ", ".join(what))

    def _change(self, name: bytes, entry: Entry, status: os.stat_result) -> tuple[str, list[str]]:
        if entry.is_file:
            is_other = status.st_size != entry.size or not self._has_content(name, entry, status)
        elif entry.type is EntryType.SYMLINK:
            is_other = os.readlink(name, dir_fd=self._at.fd) != entry.target
        else:
            is_other = (os.major(status.st_rdev), os.minor(status.st_rdev)) != (entry.rdev_major, entry.rdev_minor)
        if is_other:
            return "content", []
        what = self._metadata(b"%s/%s" % (proc_path(self._at.fd), name), entry, status)
        if status.st_mtime_ns != entry.mtime_ns:
            what.append("time")
        return "metadata" if what else "same", what

    def _has_content(self, name: bytes, entry: Entry, status: os.stat_result) -> bool:
        if not self._rules.id_key:
            return status.st_mtime_ns == entry.mtime_ns
        fd = os.open(name, _OPEN, dir_fd=self._at.fd)
        try:
            chunks = entry_chunks(self._source, entry)
            return has_content(fd, extents_of(entry), chunks, self._rules.id_key, self._read_on) and has_holes(
                fd, entry
            )
        finally:
            os.close(fd)

    def _read_on(self, count: int) -> None:
        self.findings.read_bytes += count
        self._tick(b"", self._looked_at, self.findings.read_bytes)

    def _metadata(self, at: bytes, entry: Entry, status: os.stat_result, *, follow: bool = False) -> list[str]:
        what: list[str] = []
        if stat.S_IMODE(status.st_mode) != entry.mode and entry.type is not EntryType.SYMLINK:
            what.append("mode")
        if (status.st_uid, status.st_gid) != (entry.uid, entry.gid):
            what.append("owner")
        if dict(xattrs_of(at, follow=follow)) != dict(entry.xattrs):
            what.append("attributes")
        return what

    def _damaged(self, path: bytes, error: PhoenixError) -> None:
        reason = damage_reason(error)
        if not reason:
            raise error
        self.findings.cannot_read(path, reason)


def _status(folder: int, name: bytes) -> os.stat_result | None:
    try:
        return os.lstat(name, dir_fd=folder)
    except OSError:
        return None


def _reason(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "EIO")
