"""The walk over the files and folders of Windows volumes (WF4.7), compared with the parent snapshot as it goes.

It leaves the same records as the walk on Linux, so that all that follows is the same. Junctions, links and mounted
volumes are kept as what they are and never entered: there is no loop. Every entry is opened to compare it, since a
folder's listing on NTFS may show sizes and times of long ago.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from phoenix_core.agent.backup.fate import Fate, Fates
from phoenix_core.agent.backup.hardlinks import HardLinks
from phoenix_core.agent.backup.leftout import TOO_DEEP, VIRTUAL, LeftOut
from phoenix_core.agent.backup.levels import Level, Levels
from phoenix_core.agent.backup.parenttree import ParentTrees
from phoenix_core.agent.backup.records import Keep, Link, Lost, Read, ReadItem, Record, join
from phoenix_core.agent.backup.ruleset import NOBODY, Takers
from phoenix_core.agent.backup.scanrules import ScanCounts
from phoenix_core.agent.backup.sources import SourceNode
from phoenix_core.agent.backup.spool import Sink
from phoenix_core.agent.windows.attributes import ENCRYPTED, as_status, is_elsewhere, is_folder, is_link
from phoenix_core.agent.windows.entries import folder_entry, is_unchanged, link_entry
from phoenix_core.agent.windows.errors import ABSENT, EFS, OFFLINE, reason_of
from phoenix_core.agent.windows.foldermerge import FolderMerge
from phoenix_core.agent.windows.marks import is_cache, is_half_restored, is_tag
from phoenix_core.agent.windows.names import folded_bytes, to_bytes
from phoenix_core.agent.windows.paths import below, live_root
from phoenix_core.agent.windows.scanrules import VolumeSource, WindowsRules
from phoenix_core.agent.windows.seam import Details, FileFacts, ReadFiles, StreamFacts, WindowsFailure
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.entrycheck import MAX_NAME_BYTES
from phoenix_core.vault.treewalk import MAX_DEPTH

TICK_ENTRIES = 256
VANISHED = "vanished"
NAME_TOO_LONG = "stream_name_too_long"
MADE_UP = frozenset(
    folded_bytes(name) for name in (b"System Volume Information", b"pagefile.sys", b"hiberfil.sys", b"swapfile.sys")
)
"""At a volume's root: what Windows keeps there for itself, the shadow copies' own storage among it."""
_NO_STATUS = os.stat_result((0,) * 10)
"""Folders of Windows are told apart by other facts."""


@dataclass(slots=True)
class Folder:
    """A level's other half."""

    native: str
    merge: FolderMerge
    kept: bool = False


class WindowsScan:
    """Walks the sources once and fills the two spools. `counts` rise while it runs."""

    def __init__(
        self,
        windows: ReadFiles,
        sources: SourceNode,
        volumes: Mapping[bytes, VolumeSource],
        rules: WindowsRules,
        parent: ParentTrees | None,
        records: Sink[Record],
        reads: Sink[ReadItem],
        tick: Callable[[bytes], None],
        failed: Callable[[bytes, WindowsFailure], None] = lambda path, failure: None,
    ) -> None:
        """`volumes` by drive letter. `tick` is called with the current path once a folder and every some hundred
        entries; what it raises ends the scan. `failed` is told of each call that failed; what it raises ends the
        scan too."""
        self.counts = ScanCounts()
        self.left_out = self._new_left_out()
        self._fates = Fates(rules.content, self.left_out)
        self.sources_found = 0
        self._windows = windows
        self._sources = sources
        self._volumes = volumes
        self._rules = rules
        self._parent = parent
        self._records = records
        self._reads = reads
        self._tick = tick
        self._failed = failed
        self._links = HardLinks()
        self._levels = Levels(records.append, parent, self.counts.amounts)
        self._stack = self._levels.stack
        self._folders: list[Folder] = []
        self._seen = 0

    def _new_left_out(self) -> LeftOut:
        return LeftOut(self._lose)

    def run(self) -> None:
        """Raises what `tick`, `failed` and the spools raise, and WindowsFailure for trouble that isn't about a file."""
        drives = [FileFacts(name.decode(), 0, 0, 0, 0, 0, 0, 0) for name in self._sources.below]
        parent = self._parent.root() if self._parent else None
        root = Level(b"/", -1, _NO_STATUS, iter(()), parent, self._sources, partial=True)
        root.takers = self._rules.content.at(self._sources.rules)
        self._stack.append(root)
        self._folders.append(Folder("", FolderMerge(drives, parent)))
        while self._stack:
            level, folder = self._stack[-1], self._folders[-1]
            found = folder.merge.next()
            if found is None:
                self._folders.pop()
                self._levels.leave()
                continue
            name, there, known = found
            if there is None:
                self._only_parent(level, folder, known)
            elif level.path == b"/":
                self._enter_volume(level, name, known)
            elif isinstance(there, StreamFacts):
                self._add_stream(level, name, there)
            else:
                self._visit(level, folder, name, there, known)

    def _only_parent(self, level: Level, folder: Folder, known: Entry | None) -> None:
        """An entry of the parent without a counterpart: a stream of something unchanged, or gone."""
        if known is not None and folder.merge.stays(known) and self._usable(known):
            self.counts.files += 1
            self.counts.bytes += known.size
            self.counts.data_bytes += known.data_bytes
            self._levels.keep(Keep(known))
        elif known is not None and folder.merge.stays(known):
            self.counts.changed_files += 1
            self.counts.files += 1
            self.counts.changed_bytes += known.data_bytes
            self._reads.append(ReadItem(level.path, known.name, known.data_bytes))
            self._levels.record(Read())
        else:
            self._levels.differs()

    def _usable(self, known: Entry) -> bool:
        return self._parent is not None and self._parent.is_usable(known)

    def _enter_volume(self, level: Level, name: bytes, known: Entry | None) -> None:
        node = self._sources.below[name]
        path = join(level.path, name)
        volume = self._volumes[name]
        try:
            details = self._windows.details(volume.root + "\\")
            security = self._windows.security(volume.root + "\\")
            listing = self._listing(volume.root + "\\", node, partial=not node.is_source)
        except WindowsFailure as failure:
            self._failed(path, failure)
            self.left_out.source(path, node, reason_of(failure))
            return
        file_system = volume.file_system.encode("ascii", "replace")
        entry = folder_entry(name, details.facts, security, volume=file_system, partial=not node.is_source)
        self._enter(path, volume.root + "\\", entry, listing, node, known, self._takers(level, node))

    def _listing(self, native: str, node: SourceNode | None, *, partial: bool) -> list[FileFacts]:
        """Of a folder that is taken in part only what leads to a source. Raises WindowsFailure."""
        found = self._windows.list_folder(native)
        if not partial or node is None:
            return found
        return [facts for facts in found if to_bytes(facts.name) in node.below]

    def _enter(
        self,
        path: bytes,
        native: str,
        entry: Entry,
        listing: list[FileFacts],
        node: SourceNode | None,
        known: Entry | None,
        takers: Takers,
    ) -> None:
        parent = self._parent.below(known) if self._parent and known is not None else None
        new = Level(path, -1, _NO_STATUS, iter(()), parent, node, entry.partial, entry, known)
        new.takers = takers
        if not entry.partial:
            listing = self._sifted(new, native, listing)
        self._levels.enter(new)
        self._folders.append(Folder(native, FolderMerge(listing, parent)))
        if not entry.partial:
            self.counts.folders += 1
            self.sources_found += node is not None and node.is_source
        self._tick(path)
        if node is not None:
            self.left_out.absent(path, node, [to_bytes(facts.name) for facts in listing])

    def _sifted(self, level: Level, native: str, listing: list[FileFacts]) -> list[FileFacts]:
        """Of a folder's listing what needs a look: of a tagged cache that the rules skip, the tag only."""
        content = self._rules.content
        if level.takers.skips_caches and is_cache(self._windows, native, listing):
            named = level.node.rules if level.node is not None else 0
            level.takers = content.at(level.takers.in_cache | named)
            if not level.takers.mask:
                self.left_out.cached(level)
                below = level.node.below if level.node is not None else {}
                listing = [each for each in listing if is_tag(each.name) or to_bytes(each.name) in below]
        level.suspects = content.sieve.suspects(level.path, [to_bytes(each.name) for each in listing])
        return listing

    def _visit(self, level: Level, folder: Folder, name: bytes, facts: FileFacts, known: Entry | None) -> None:
        self._seen += 1
        path = join(level.path, name)
        if self._seen % TICK_ENTRIES == 0:
            self._tick(path)
        node = level.node.below.get(name) if level.node else None
        passed, depth = level.passed, len(self._stack)
        self._look(level, folder, name, path, facts, known, node)
        if known is not None and level.same and level.passed == passed and len(self._stack) == depth:
            self._levels.differs()

    def _look(
        self,
        level: Level,
        folder: Folder,
        name: bytes,
        path: bytes,
        facts: FileFacts,
        known: Entry | None,
        node: SourceNode | None,
    ) -> None:
        if self._is_left_out(level, path, name, facts, node):
            return
        is_branch = is_folder(facts) and not is_link(facts)
        if node is not None and node.below and not is_branch:
            self.left_out.absent(path, node, ())
            if not (node.is_source or level.is_taken):
                return
            node = node if node.is_source else None
        fate = self._fates.of(level, name, node, as_status(facts), is_folder=is_branch)
        if fate is Fate.OUT:
            return
        native = below(folder.native, facts.name)
        try:
            details = self._windows.details(native)
            details = msgspec.structs.replace(details, facts=msgspec.structs.replace(details.facts, name=facts.name))
            if is_link(details.facts):
                self._visit_link(folder, name, native, details.facts, known, node)
            elif is_folder(details.facts):
                takers = NOBODY if fate is Fate.WAY else self._takers(level, node)
                self._visit_folder(folder, name, path, native, details, known, node, takers)
            elif not self._is_filtered(level, name, details.facts, node):
                self._visit_file(level, folder, name, path, native, details, known, node)
        except WindowsFailure as failure:
            self._failed(path, failure)
            reason = reason_of(failure)
            if node is not None or reason != VANISHED:
                self.left_out.folder(path, node, reason)

    def _is_left_out(self, level: Level, path: bytes, name: bytes, facts: FileFacts, node: SourceNode | None) -> bool:
        if level.path.count(b"/") == 1 and folded_bytes(name) in MADE_UP:
            if node is not None:
                self.left_out.source(path, node, VIRTUAL)
        elif folded_bytes(path) in self._rules.never or is_half_restored(facts.name):
            self.left_out.own(path, node)
        else:
            return False
        return True

    def _is_filtered(self, level: Level, name: bytes, facts: FileFacts, node: SourceNode | None) -> bool:
        takers = self._takers(level, node)
        field = takers.objection(level.path, name, facts.size, facts.modified_ns)
        if field:
            self.left_out.filtered(level, name, as_status(facts), node, takers, field)
        return bool(field)

    def _takers(self, level: Level, node: SourceNode | None) -> Takers:
        """The rules that hold for an entry: those that name it, and those of the folder that it is in."""
        if node is None or not node.is_source:
            return level.takers
        return self._rules.content.at(level.takers.mask | node.rules)

    def _visit_link(
        self,
        folder: Folder,
        name: bytes,
        native: str,
        facts: FileFacts,
        known: Entry | None,
        node: SourceNode | None,
    ) -> None:
        self.sources_found += node is not None
        self.counts.others += 1
        if known is not None and known.target and is_unchanged(known, facts) and self._usable(known):
            self._levels.keep(Keep(known))
            folder.merge.keeps_streams(name)
            return
        entry = link_entry(name, facts, self._windows.security(native), self._windows.reparse_data(native))
        self._levels.record(Keep(entry))

    def _visit_folder(
        self,
        folder: Folder,
        name: bytes,
        path: bytes,
        native: str,
        details: Details,
        known: Entry | None,
        node: SourceNode | None,
        takers: Takers,
    ) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self._lose(path, TOO_DEEP)
            return
        partial = node is not None and not takers.mask
        listing = self._listing(native, node, partial=partial)
        is_known = known is not None and known.is_directory and known.partial == partial
        if is_known and known is not None and is_unchanged(known, details.facts) and self._usable(known):
            entry = known
            folder.merge.keeps_streams(name)
        else:
            security = self._windows.security(native)
            entry = folder_entry(name, details.facts, security, partial=partial)
            if not partial:
                self._add_streams(folder, name, path, self._windows.streams(native))
        known_folder = known if known and known.is_directory else None
        self._enter(path, native, entry, listing, node, known_folder, takers)

    def _visit_file(
        self,
        level: Level,
        folder: Folder,
        name: bytes,
        path: bytes,
        native: str,
        details: Details,
        known: Entry | None,
        node: SourceNode | None,
    ) -> None:
        facts = details.facts
        is_kept = known is not None and known.is_file and is_unchanged(known, facts) and known.links == details.links
        is_kept = is_kept and known is not None and self._usable(known) and not self._may_be_stale(path, native, facts)
        if not is_kept and (facts.attributes & ENCRYPTED or is_elsewhere(facts)):
            self._lose(path, EFS if facts.attributes & ENCRYPTED else OFFLINE)
            return
        streams = [] if is_kept else self._windows.streams(native)
        self.sources_found += node is not None
        first, identity = True, 0
        if details.links > 1:
            first, identity = self._links.met_numbers(details.volume_serial, facts.file_id, details.links)
        self.counts.files += 1
        data_bytes = min(facts.size, facts.allocated_bytes) if facts.allocated_bytes else facts.size
        if first:
            self.counts.bytes += facts.size
            self.counts.data_bytes += data_bytes
        if is_kept and known is not None:
            folder.merge.keeps_streams(name)
            self._levels.keep(Keep(known, first, identity))
            return
        self._add_streams(folder, name, path, streams)
        item = ReadItem(level.path, name, data_bytes)
        if not first:
            self._levels.record(Link(identity, item, facts.file_id))
            return
        self.counts.changed_files += 1
        self.counts.changed_bytes += data_bytes
        self._reads.append(item)
        self._levels.record(Read(identity))

    def _may_be_stale(self, path: bytes, native: str, facts: FileFacts) -> bool:
        """Whether a program may have written to the file under times that don't show it: it has it open still, or has
        closed it since the shadow copy was made."""
        letter = path[1:2]
        live = live_root(letter.decode()) + native[len(self._volumes[letter].root) :]
        try:
            use = self._windows.use(live)
        except WindowsFailure as failure:
            return failure.code in ABSENT
        return use.open_elsewhere or (use.modified_ns, use.changed_ns) != (facts.modified_ns, facts.changed_ns)

    def _add_streams(self, folder: Folder, name: bytes, path: bytes, streams: list[StreamFacts]) -> None:
        fitting = [each for each in streams if len(name) + 1 + len(to_bytes(each.name)) <= MAX_NAME_BYTES]
        for each in streams:
            if each not in fitting:
                self._lose(path + b":" + to_bytes(each.name), NAME_TOO_LONG)
        folder.merge.has_streams(name, fitting)

    def _add_stream(self, level: Level, name: bytes, stream: StreamFacts) -> None:
        data_bytes = min(stream.size, stream.allocated_bytes) if stream.allocated_bytes else stream.size
        counts = self.counts
        counts.files += 1
        counts.bytes += stream.size
        counts.data_bytes += data_bytes
        counts.changed_files += 1
        counts.changed_bytes += data_bytes
        self._reads.append(ReadItem(level.path, name, data_bytes))
        self._levels.record(Read())

    def _lose(self, path: bytes, reason: str) -> None:
        self.counts.lost += 1
        self._records.append(Lost(path, reason))
