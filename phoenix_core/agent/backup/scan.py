"""The one walk over the live files and folders (WF5.4), compared with the parent snapshot as it goes.

Descends by folder descriptors, so that paths may be of any length.
"""

import os
import stat
from collections.abc import Callable

import msgspec

from phoenix_core.agent.backup.fate import Fate, Fates
from phoenix_core.agent.backup.filesystem_errors import CHANGED_TYPE, VANISHED, reason_of
from phoenix_core.agent.backup.folders import listing, open_folder_at, open_folder_of
from phoenix_core.agent.backup.hardlinks import HardLinks
from phoenix_core.agent.backup.leftout import TOO_DEEP, VIRTUAL, LeftOut
from phoenix_core.agent.backup.levels import Level, Levels
from phoenix_core.agent.backup.marks import is_own, is_own_way
from phoenix_core.agent.backup.metadata import TYPES, EntryMaker
from phoenix_core.agent.backup.mounts import is_virtual_folder
from phoenix_core.agent.backup.openfolders import OpenFolders
from phoenix_core.agent.backup.parenttree import ParentTrees, is_same_file, is_unchanged
from phoenix_core.agent.backup.records import (
    Enter,
    Keep,
    KeepFolder,
    Leave,
    Link,
    Lost,
    Read,
    ReadItem,
    Record,
    join,
)
from phoenix_core.agent.backup.ruleset import NOBODY
from phoenix_core.agent.backup.scanahead import Ahead, Alone
from phoenix_core.agent.backup.scanrules import ScanCounts, ScanRules
from phoenix_core.agent.backup.sift import Sift, may_be_out
from phoenix_core.agent.backup.sources import SourceNode
from phoenix_core.agent.backup.spool import Sink
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.treewalk import MAX_DEPTH

TICK_ENTRIES = 512


class Scan:
    """Walks the sources once and fills the two spools. `counts` rise while it runs."""

    def __init__(
        self,
        sources: SourceNode,
        rules: ScanRules,
        parent: ParentTrees | None,
        records: Sink[Record],
        reads: Sink[ReadItem],
        tick: Callable[[bytes], None],
        ahead: Ahead | None = None,
    ) -> None:
        """`tick` is called with the current path once a folder and every some hundred entries; what it raises ends the
        scan. `ahead` knows of unchanged folders that the scan didn't come to yet."""
        self.counts = ScanCounts()
        self.left_out = self._new_left_out()
        self.sources_found = 0
        self._sources = sources
        self._rules = rules
        self._sift = Sift(rules.content, self.left_out)
        self._fates = Fates(rules.content, self.left_out)
        self._never_in = {os.path.dirname(path) for path in rules.never}
        self._never_ids = rules.never_ids()
        self._parent = parent
        self._records = records
        self._reads = reads
        self._tick = tick
        self._ahead = ahead or Alone()
        self._views = rules.views
        self._maker = EntryMaker(rules.views)
        self._links = HardLinks()
        self._levels = Levels(records.append, parent, self.counts.amounts)
        self._stack = self._levels.stack
        self._open = OpenFolders(self._stack, rules.views)
        self._compares_simply = parent is not None and parent.all_usable
        self._seen = 0

    def run(self) -> None:
        """Raises what `tick` and the spools raise, and OSError for trouble that isn't about a file."""
        try:
            self._begin()
            while self._stack:
                level = self._stack[-1]
                name, known = self._next(level)
                if name is None:
                    self._leave()
                else:
                    self._visit(level, name, known)
        finally:
            self._open.close()

    def _begin(self) -> None:
        root = self._sources
        fd = open_folder_at(self._views.real(b"/"), path_only=not root.is_source)
        names = listing(fd) if root.is_source else sorted(root.below)
        self.sources_found += root.is_source
        parent = self._parent.root() if self._parent else None
        level = Level(b"/", fd, os.fstat(fd), iter(names), parent, root, not root.is_source)
        level.takers = self._rules.content.at(root.rules)
        if root.is_source:
            self._sift.enter(level, names)
            self.left_out.absent(b"/", root, names)
        self._stack.append(level)

    def _new_left_out(self) -> LeftOut:
        return LeftOut(self._lose)

    def _next(self, level: Level) -> tuple[bytes | None, Entry | None]:
        """The next name that needs a look, with what the parent has there; unchanged files before it are kept."""
        parent = level.parent
        if parent is None:
            return next(level.names, None), None
        if not level.plain:
            name = next(level.names, None)
            return name, None if name is None else parent.find(name)
        is_sifted = level.is_sifted
        for name in level.names:
            known = parent.find(name)
            if known is None or known.type is not EntryType.FILE or not parent.exact:
                return name, known
            try:
                status = os.lstat(name, dir_fd=level.fd)
            except OSError:
                return name, known  # whoever looks closer meets the error again and tells it
            if not is_same_file(known, status, level.status.st_dev) or (is_sifted and may_be_out(level, name, status)):
                return name, known
            self._count_kept(level, name, known, status)
        return None, None

    def _count_kept(self, level: Level, name: bytes, known: Entry, status: os.stat_result) -> None:
        counts = self.counts
        counts.files += 1
        counts.bytes += known.size
        counts.data_bytes += min(known.size, status.st_blocks * 512)
        if level.same:
            level.passed += 1
        else:
            self._levels.keep(Keep(known))
        self._seen += 1
        if self._seen % TICK_ENTRIES == 0:
            self._tick(join(level.path, name))

    def _visit(self, level: Level, name: bytes, known: Entry | None) -> None:
        if level.same and level.parent and not level.parent.exact:
            self._levels.differs()
        passed, depth = level.passed, len(self._stack)
        self._look(level, name, known)
        if known is not None and level.same and level.passed == passed and len(self._stack) == depth:
            self._levels.differs()  # what the parent has there is gone, or is left out

    def _look(self, frame: Level, name: bytes, known: Entry | None) -> None:
        self._seen += 1
        path = join(frame.path, name)
        if self._seen % TICK_ENTRIES == 0:
            self._tick(path)
        node = frame.node.below.get(name) if frame.node else None
        if path in self._rules.never or path in self._rules.snapshots:
            self.left_out.own(path, node)
            return
        status = self._look_at(frame, name, path, node)
        if status is None:
            return
        is_folder = stat.S_ISDIR(status.st_mode)
        if node is not None and node.below and not is_folder:
            self.left_out.absent(path, node, ())
            if not (node.is_source or frame.is_taken):
                return
            node = node if node.is_source else None
        fate = self._fates.of(frame, name, node, status, is_folder=is_folder)
        if is_folder and fate is not Fate.OUT:
            if node is not None or not self._is_known_whole(frame, path, status, known):
                self._visit_folder(frame, name, path, status, node, known, is_out=fate is Fate.WAY)
        elif fate is Fate.TAKEN:
            self._visit_leaf(frame, name, path, status, node, known)

    def _visit_leaf(
        self,
        frame: Level,
        name: bytes,
        path: bytes,
        status: os.stat_result,
        node: SourceNode | None,
        known: Entry | None,
    ) -> None:
        """What is no folder."""
        if self._rules.mounts.is_virtual_device(status.st_dev):
            if node is not None:
                self.left_out.source(path, node, VIRTUAL)
        elif not stat.S_ISREG(status.st_mode):
            self.sources_found += node is not None
            self._visit_other(frame, name, path, status, known)
        else:
            takers = self._sift.takers(frame, node)
            field = takers.objection(frame.path, name, status.st_size, status.st_mtime_ns)
            if field:
                self.left_out.filtered(frame, name, status, node, takers, field)
                return
            self.sources_found += node is not None
            self._visit_file(frame, name, status, known)

    def _look_at(self, frame: Level, name: bytes, path: bytes, node: SourceNode | None) -> os.stat_result | None:
        """The entry's lstat; None if there is none, which is recorded unless it was just deleted."""
        try:
            return self._views.lstat(path, name, frame.fd)
        except OSError as error:
            reason = reason_of(error)
        if node is not None or reason != VANISHED:
            self.left_out.folder(path, node, reason)
        return None

    def _visit_file(self, frame: Level, name: bytes, status: os.stat_result, known: Entry | None) -> None:
        first, identity = True, 0
        if status.st_nlink > 1:
            first, identity = self._links.met(status)
        self.counts.files += 1
        data_bytes = min(status.st_size, status.st_blocks * 512)
        if first:
            self.counts.bytes += status.st_size
            self.counts.data_bytes += data_bytes
        if known and known.is_file and is_unchanged(known, status) and self._parent and self._parent.is_usable(known):
            self._keep(known, status, counted=first, identity=identity)
            return
        item = ReadItem(frame.path, name, data_bytes)
        if not first:
            self._levels.record(Link(identity, item, status.st_ino))
            return
        self.counts.changed_files += 1
        self.counts.changed_bytes += item.data_bytes
        self._reads.append(item)
        self._levels.record(Read(identity))

    def _keep(self, known: Entry, status: os.stat_result, *, counted: bool = True, identity: int = 0) -> None:
        """As the parent has it, but for the device's number of today, which hard links share."""
        device = self._views.live_device(status.st_dev)
        if known.links > 1 and known.device != device:
            self._levels.record(Keep(msgspec.structs.replace(known, device=device), counted, identity))
        else:
            self._levels.keep(Keep(known, counted, identity))

    def _visit_other(self, frame: Level, name: bytes, path: bytes, status: os.stat_result, known: Entry | None) -> None:
        """A link, FIFO, socket or device: all of it is metadata."""
        same_type = known is not None and known.type is TYPES[stat.S_IFMT(status.st_mode)]
        if known and same_type and is_unchanged(known, status) and self._parent and self._parent.is_usable(known):
            self.counts.others += 1
            self._keep(known, status)
            return
        try:
            entry = self._maker.in_folder(frame.fd, name, status)
        except OSError as error:
            reason = reason_of(error)
            self._lose(path, CHANGED_TYPE if reason == "EINVAL" else reason)
            return
        self.counts.others += 1
        self._levels.record(Keep(entry))

    def _visit_folder(
        self,
        frame: Level,
        name: bytes,
        path: bytes,
        status: os.stat_result,
        node: SourceNode | None,
        known: Entry | None,
        *,
        is_out: bool = False,
    ) -> None:
        """`is_out`: patterns mean it, and all that is taken is what leads to a source that they don't mean."""
        mounts = self._rules.mounts
        is_mount = status.st_dev != frame.status.st_dev or mounts.is_point(path)
        is_virtual = mounts.is_virtual_device(status.st_dev)
        takers = NOBODY if is_out else self._sift.takers(frame, node, beyond_mount=is_mount)
        is_way = node is not None and (is_out or not node.is_source)
        if (status.st_dev, status.st_ino) in self._never_ids:
            self.left_out.own(path, node)
        elif (is_virtual and not is_way) or (not takers.mask and node is None):
            self._closed_folder(name, status, node, path, is_virtual=is_virtual)
        else:
            partial = is_way and (frame.partial or not takers.mask or is_virtual)
            level = self._opened(frame, name, path, node, known, partial=partial, is_mount=is_mount and not is_way)
            if level is not None:
                level.takers = takers
                self._go_into(frame, level, is_virtual=is_virtual)

    def _opened(
        self,
        frame: Level,
        name: bytes,
        path: bytes,
        node: SourceNode | None,
        known: Entry | None,
        *,
        partial: bool,
        is_mount: bool,
    ) -> Level | None:
        """The folder, open, with its names; None where it isn't gone into."""
        try:
            fd = open_folder_of(self._views, path, frame.fd, name, path_only=partial)
        except OSError as error:
            self.left_out.folder(path, node, reason_of(error))
            return None
        level = None
        try:
            status = os.fstat(fd)
            if is_mount and is_virtual_folder(fd):
                self._closed_folder(name, status, node, path, is_virtual=True)
                return None
            names = sorted(node.below) if partial and node else listing(fd)
            if is_own_way(fd, names) if partial else is_own(fd, names):
                self.left_out.own(path, node)
            elif len(self._stack) >= MAX_DEPTH:
                self.left_out.folder(path, node, TOO_DEEP)
            else:
                entry = self._folder_entry(fd, name, status, known, partial=partial)
                level = Level(path, fd, status, iter(names), None, node, partial, entry, known)
        except OSError as error:
            self.left_out.folder(path, node, reason_of(error))
        finally:
            if level is None:
                os.close(fd)
        return level

    def _go_into(self, frame: Level, level: Level, *, is_virtual: bool) -> None:
        node, path, known = level.node, level.path, level.known
        names = list(level.names)
        level.names = iter(names)
        if not level.partial:
            self._sift.enter(level, names)
        level.plain = (
            (node is None or not node.below) and path not in self._never_in and not is_virtual and self._compares_simply
        )
        if level.plain and known is not None and not frame.plain:
            self._ahead.entered(path, known.tree, level.takers.mask)
        self._enter(level)
        if node is not None and not level.partial:
            self.left_out.absent(path, node, names)

    def _is_known_whole(self, frame: Level, path: bytes, status: os.stat_result, known: Entry | None) -> bool:
        """Whether the folder is, all the way down, as the parent has it, and was recorded as such."""
        if known is None or not self._compares_simply or not known.is_directory or known.partial:
            return False
        found = self._ahead.unchanged(path, known.tree)
        if found is None or not is_unchanged(known, status) or status.st_dev != frame.status.st_dev:
            return False
        self.counts.add(found.amounts, found.data_bytes)
        self._levels.keep_folder(KeepFolder(known, found.amounts))
        self._tick(path)
        return True

    def _enter(self, frame: Level) -> None:
        frame.parent = self._parent.below(frame.known) if self._parent else None
        self._levels.enter(frame)
        if not frame.partial:
            self.counts.folders += 1
            self.sources_found += frame.node is not None and frame.node.is_source
        self._open.limit()
        self._ahead.seen(self._seen)
        self._tick(frame.path)

    def _leave(self) -> None:
        frame = self._levels.leave()
        if self._stack:
            above = self._stack[-1]
            if above.fd < 0 and not self._open.reopen(above, frame.fd):
                for name in above.names:
                    self._lose(join(above.path, name), VANISHED)
        os.close(frame.fd)

    def _folder_entry(
        self, fd: int, name: bytes, status: os.stat_result, known: Entry | None, *, partial: bool
    ) -> Entry:
        unchanged = known is not None and known.is_directory and is_unchanged(known, status)
        if known and unchanged and known.partial == partial and self._parent and self._parent.is_usable(known):
            return known
        make = self._maker.of_path_only if partial else self._maker.of_open
        entry = make(fd, name, status)
        return msgspec.structs.replace(entry, partial=True) if partial else entry

    def _closed_folder(
        self, name: bytes, status: os.stat_result, node: SourceNode | None, path: bytes, *, is_virtual: bool
    ) -> None:
        """A mount point that isn't crossed: a folder with nothing in it."""
        if is_virtual and node is not None:
            self.left_out.source(path, node, VIRTUAL)
            return
        self.left_out.closed(path, is_virtual=is_virtual)
        self.counts.folders += 1
        self._levels.record(Enter(self._maker.bare(name, status)))
        self._levels.record(Leave())

    def _lose(self, path: bytes, reason: str) -> None:
        self.counts.lost += 1
        self._records.append(Lost(path, reason))
