"""Walks a snapshot's trees and the folders on this server side by side, and tells what differs.

Folders are opened one below the other, never through a link, so that paths may be of any length and nothing is compared
that isn't where it says. Where it goes, and what there is to be found, the rules of the backup say (`comparesieve`)."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from phoenix_core.agent.backup.filesystem_errors import VANISHED, reason_of
from phoenix_core.agent.backup.levels import Level
from phoenix_core.agent.backup.metadata import TYPES, xattrs_of
from phoenix_core.agent.backup.openfile import open_file_in
from phoenix_core.agent.backup.pagecache import CacheKeeper
from phoenix_core.agent.backup.records import join
from phoenix_core.agent.comparefindings import SAME, Findings
from phoenix_core.agent.comparesieve import OTHER_FILE_SYSTEM, CompareSieve
from phoenix_core.agent.restore.content import extents_of, has_content, has_holes
from phoenix_core.agent.restore.damage import damage_reason
from phoenix_core.agent.restore.folders import Descent, open_root, proc_path
from phoenix_core.agent.restore.selection import uncovered
from phoenix_core.domain.changes import Change
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.errors import PathNotInSnapshot
from phoenix_core.vault.filelists import entry_chunks
from phoenix_core.vault.tree import read_tree
from phoenix_core.vault.treewalk import descend

_AHEAD = 64

Tick = Callable[[bytes, int, int], None]
"""Told the path that is looked at, the entries and the bytes of files so far; what it raises ends the walk."""


@dataclass
class _Frame:
    """A folder on the way: of both sides, or of one of them."""

    path: bytes
    entries: Iterator[Entry]
    """Of the snapshot, by name."""
    names: list[bytes]
    """Of what is there and the backup looks at, the first last."""
    level: Level | None
    """None: the folder isn't there."""
    entry: Entry | None = None


class LiveWalk:
    def __init__(
        self,
        source: ChunkSource,
        hint: Callable[[Sequence[ChunkId]], None],
        sieve: CompareSieve,
        tick: Tick,
        *,
        folder: bytes = b"",
        id_key: bytes = b"",
    ) -> None:
        """`hint` is told which trees will be wanted. `folder`: what stands for the snapshot's `/`; empty: `/` itself.
        `id_key`: the key of data chunks' ids: all files are read and hashed; empty: size and time decide."""
        self.findings = Findings()
        self._source = source
        self._hint = hint
        self._sieve = sieve
        self._tick = tick
        self._folder = folder or b"/"
        self._id_key = id_key
        self._looked_at = 0
        self._descent: Descent | None = None
        self._cache = CacheKeeper()

    def run(self, root: bytes, paths: Sequence[bytes]) -> None:
        """Raises `PathNotInSnapshot`, what `tick` and the source raise, and OSError where the folder to compare with
        can't be opened."""
        folder = open_root(self._folder)
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
        top = self._sieve.top(self._at.fd)
        if not way:
            self._walk(self._frame(b"", root, top))
            return
        path = b"/" + b"/".join(way)
        try:
            entries = [entry for _, entry in descend(self._source, root, path)]
        except PathNotInSnapshot:
            raise
        except PhoenixError as error:
            self._damaged(path, error)
            return
        level: Level | None = top
        for entry in entries[1:-1]:
            assert level is not None
            try:
                status = _status(self._at.fd, entry.name)
            except OSError as error:
                self.findings.cannot_compare(join(level.path, entry.name), reason_of(error))
                return
            if status is None or not stat.S_ISDIR(status.st_mode):
                level = None  # all that was selected is gone
                break
            level = self._enter(level, entry.name, status, entry)
            if level is None:
                return
        self._walk(_Frame(path.rpartition(b"/")[0], iter((entries[-1],)), [], level))

    # --- walking -----------------------------------------------------------------------------------------------------

    def _walk(self, top: _Frame) -> None:
        stack = [top]
        while stack:
            frame = stack[-1]
            try:
                below = self._step(frame)
            except StopIteration:
                stack.pop()
                if frame.level is not None and stack:
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
        try:
            status = _status(self._at.fd, name) if frame.level is not None else None
        except OSError as error:
            self.findings.cannot_compare(path, reason_of(error))
            return None
        if frame.level is None or status is None:
            return None if entry is None else self._removed(path, entry)
        if entry is None:
            return self._added(frame.level, path, name, status)
        if TYPES[stat.S_IFMT(status.st_mode)] is not entry.type:
            return self._other_type(frame.level, path, name, entry, status)
        if entry.is_directory:
            return self._both_folders(frame.level, path, name, entry, status)
        self._both(path, name, entry, status)
        return None

    def _removed(self, path: bytes, entry: Entry) -> _Frame | None:
        self.findings.add(path, Change.REMOVED, entry.size)
        return self._frame(path, entry.tree, None) if entry.is_directory else None

    def _added(self, above: Level, path: bytes, name: bytes, status: os.stat_result) -> _Frame | None:
        if self._sieve.leaves_out(above, name, status):
            return None
        if not stat.S_ISDIR(status.st_mode):
            self.findings.add(path, Change.ADDED, 0, status.st_size)
            return None
        level = self._enter(above, name, status, None)
        if level is None:
            return None
        self.findings.add(path, Change.ADDED)
        return self._frame(path, b"", level)

    def _other_type(
        self, above: Level, path: bytes, name: bytes, entry: Entry, status: os.stat_result
    ) -> _Frame | None:
        is_folder = stat.S_ISDIR(status.st_mode)
        self.findings.add(path, Change.TYPE, entry.size, 0 if is_folder else status.st_size)
        if entry.is_directory:
            return self._frame(path, entry.tree, None)
        level = self._enter(above, name, status, None) if is_folder else None
        return self._frame(path, b"", level) if level is not None else None

    def _both_folders(
        self, above: Level, path: bytes, name: bytes, entry: Entry, status: os.stat_result
    ) -> _Frame | None:
        level = self._enter(above, name, status, entry)
        if level is None:
            return None
        what = [] if entry.partial else self._metadata(proc_path(self._at.fd), entry, status, follow=True)
        self.findings.add(path, Change.METADATA if what else SAME, what=", ".join(what))
        return self._frame(path, entry.tree, level)

    # --- folders -----------------------------------------------------------------------------------------------------

    def _enter(self, above: Level, name: bytes, status: os.stat_result, entry: Entry | None) -> Level | None:
        """Go into a folder. None where that can't be done or the backup doesn't; what the snapshot has below it is then
        noted as not compared."""
        path = join(above.path, name)
        level = self._sieve.below(above, name, status)
        if level is None:
            self._closed(path, entry)
            return None
        level.partial = level.partial or (entry is not None and entry.partial)
        try:
            self._at.enter(name)
        except OSError as error:
            self.findings.cannot_compare(path, reason_of(error))
            return None
        try:
            why = self._sieve.opened(above, level, self._at.fd)
        except OSError as error:
            why = reason_of(error)
            self.findings.cannot_compare(path, why)
        else:
            if why == OTHER_FILE_SYSTEM:
                self._closed(path, entry)
            elif why and entry is not None:
                self.findings.cannot_compare(path, why)
        if why:
            self._at.leave()
            return None
        return level

    def _closed(self, path: bytes, entry: Entry | None) -> None:
        """A mount point that the backup doesn't go into: to it, a folder with nothing in it."""
        if entry is None:
            return
        try:
            is_empty = next(read_tree(self._source, entry.tree), None) is None
        except PhoenixError as error:
            self._damaged(path, error)
            return
        if is_empty:
            self.findings.add(path, SAME)
        else:
            self.findings.cannot_compare(path, OTHER_FILE_SYSTEM)

    def _frame(self, path: bytes, tree: bytes, level: Level | None) -> _Frame:
        """Of a folder; the descent is in it already, where it is there."""
        names: list[bytes] = []
        entries = self._read(tree) if tree else iter(())
        if level is not None:
            try:
                names = self._sieve.names(level)[::-1]
            except OSError as error:
                self.findings.cannot_compare(path or b"/", reason_of(error))
                entries = iter(())
        return _Frame(path, entries, names, level)

    def _read(self, tree: bytes) -> Iterator[Entry]:
        entries = read_tree(self._source, tree)
        while some := [entry for _, entry in zip(range(_AHEAD), entries, strict=False)]:
            self._hint([ChunkId(entry.tree) for entry in some if entry.is_directory])
            yield from some

    # --- entries -----------------------------------------------------------------------------------------------------

    def _both(self, path: bytes, name: bytes, entry: Entry, status: os.stat_result) -> None:
        try:
            change, what = self._change(name, entry, status)
        except OSError as error:
            reason = reason_of(error)
            if reason == VANISHED:
                self.findings.add(path, Change.REMOVED, entry.size)
            else:
                self.findings.cannot_compare(path, reason)
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
            return Change.CONTENT, []
        what = self._metadata(b"%s/%s" % (proc_path(self._at.fd), name), entry, status)
        if status.st_mtime_ns != entry.mtime_ns:
            what.append("time")
        return Change.METADATA if what else SAME, what

    def _has_content(self, name: bytes, entry: Entry, status: os.stat_result) -> bool:
        if not self._id_key:
            return status.st_mtime_ns == entry.mtime_ns
        fd = open_file_in(self._at.fd, name)
        try:
            chunks, cache = entry_chunks(self._source, entry), self._cache
            is_equal = has_content(fd, extents_of(entry), chunks, self._id_key, self._read_on, cache)
            return is_equal and has_holes(fd, entry, cache)
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
        self.findings.cannot_compare(path, reason)


def _status(folder: int, name: bytes) -> os.stat_result | None:
    """None where nothing is there. Raises OSError where that can't be found out."""
    try:
        return os.lstat(name, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
