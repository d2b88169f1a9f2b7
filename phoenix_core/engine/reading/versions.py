"""Finds the versions of files by name over all snapshots of a server at once.

The snapshots are walked side by side, folder by folder. At each folder stands which trees it had, and in which
snapshots (a number with a bit for each, the newest the lowest): a tree that is the same in many is read once. So what a
thousand snapshots share costs as much as one, all versions of a name are known when its folder has been read, and
memory holds the folders on the way down only.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.names import parse_shown, shown
from phoenix_core.domain.reading import FileVersion, SearchProgress
from phoenix_core.engine.browse import TYPE_NAMES, entry_time
from phoenix_core.engine.reading.snapshotfiles import DAMAGE, content_tag
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.locateahead import AheadSource, LocateAhead
from phoenix_core.vault.tree import find_entry, read_checked_pages
from phoenix_core.vault.treewalk import parts

PROGRESS_ENTRIES = 5000
Fits = Callable[[str, str], bool]
"""Whether an entry of this path and this name is looked for."""


class _Tree(NamedTuple):
    domain: str
    epoch: int
    tree: bytes


Trees = dict[_Tree, int]
"""Each tree of a folder with the snapshots that have it."""
Below = dict[bytes, Trees]
"""The folders in a folder, by name."""


class _Version(NamedTuple):
    """What makes two entries one version. Of folders there is one: each change within would make another."""

    type: str
    size: int
    mtime_ns: int
    content: str
    target: bytes


Found = dict[bytes, dict[_Version, tuple[int, int]]]
"""By name, the versions of an entry, each with the snapshots that have it and the time in the newest of them."""


class VersionSearch:
    """One search in the snapshots of one server. Used by one thread."""

    def __init__(
        self, vault: OpenVault, rows: Sequence[SnapshotRow], fits: Fits, wanted: Callable[[SnapshotRow], bool]
    ) -> None:
        """`rows`: all that the server has, newest first, lost ones too. `wanted`: whether one is to be searched."""
        self._vault = vault
        self._rows = rows
        self._fits = fits
        self._sources: dict[tuple[str, int], AheadSource] = {}
        self._covers: dict[tuple[str, ...], tuple[int, tuple[bytes, ...]]] = {}
        self._searched = 0
        """The snapshots that are looked into."""
        for number, row in enumerate(rows):
            mask, tops = self._covers.get(row.paths, (0, tuple(map(_folder_path, row.paths)) or (b"/",)))
            self._covers[row.paths] = (mask | 1 << number, tops)
            if wanted(row):
                self._searched |= 1 << number
        self._damaged: dict[bytes, int] = {}
        """Folders with the snapshots that can't tell what is in them."""
        self.folders = 0
        self.entries = 0
        self.unreadable = 0

    def run(self, path: bytes = b"/") -> Iterator[FileVersion | SearchProgress]:
        """All versions of what is below the path and fits, folder by folder, the newest version of a name first; now
        and then how far the search is. Raises `PathNotInSnapshot` for no path, and what the storage node raises."""
        roots: Trees = {}
        for number, row in enumerate(self._rows):
            if not self._searched >> number & 1:
                continue
            root = _Tree(row.domain, row.epoch, row.root)
            roots[root] = roots.get(root, 0) | 1 << number
        at = b"/" + b"/".join(parts(path))
        pending: list[tuple[bytes, Iterator[tuple[bytes, Trees]]]] = []
        below = yield from self._folder(at.rstrip(b"/"), self._down(roots, at))
        pending.append((at.rstrip(b"/"), iter(sorted(below.items()))))
        while pending:
            above, rest = pending[-1]
            name, trees = next(rest, (b"", {}))
            if not trees:
                pending.pop()
                continue
            where = above + b"/" + name
            below = yield from self._folder(where, trees)
            if below:
                pending.append((where, iter(sorted(below.items()))))

    def _down(self, trees: Trees, path: bytes) -> Trees:
        """The trees that the folder with this path had."""
        for name in parts(path):
            below: Trees = {}
            for tree, mask in trees.items():
                try:
                    found = find_entry(self._source(tree), tree.tree, name)
                except DAMAGE:
                    self._damage(path.rstrip(b"/"), mask)
                    continue
                if found is not None and found.is_directory:
                    child = _Tree(tree.domain, tree.epoch, found.tree)
                    below[child] = below.get(child, 0) | mask
            trees = below
        return trees

    def _folder(self, path: bytes, trees: Trees) -> Generator[FileVersion | SearchProgress, None, Below]:
        """Look through all that a folder ever held. Returns the folders in it."""
        found: Found = {}
        below: Below = {}
        fitting: dict[bytes, bool] = {}
        start = shown(path) + "/"
        for tree, mask in trees.items():
            self.folders += 1
            try:
                for page in read_checked_pages(self._source(tree), tree.tree):
                    self._take(page, start, tree, mask, found, below, fitting)
                    if self._is_due(len(page)):
                        yield self.progress(path)
            except DAMAGE:
                self._damage(path, mask)
        known = self._searched & ~self._unknown_in(path)
        for name in sorted(found):
            for version, (mask, mtime_ns) in sorted(found[name].items(), key=lambda each: each[1][0] & -each[1][0]):
                yield self._view(path + b"/" + name, version, mask, mtime_ns, known)
        self._hint(below)
        return below

    def _take(
        self,
        page: Sequence[Entry],
        start: str,
        tree: _Tree,
        mask: int,
        found: Found,
        below: Below,
        fitting: dict[bytes, bool],
    ) -> None:
        """`fitting`: of the folder's names those that were looked at, in whatever snapshot."""
        for entry in page:
            fits = fitting.get(entry.name)
            if fits is None:
                name = shown(entry.name)
                fits = fitting[entry.name] = self._fits(start + name, name)
            if fits:
                versions = found.setdefault(entry.name, {})
                version = _version(entry)
                before, mtime_ns = versions.get(version, (0, entry.mtime_ns))
                versions[version] = (before | mask, mtime_ns)
            if entry.is_directory:
                trees = below.setdefault(entry.name, {})
                child = _Tree(tree.domain, tree.epoch, entry.tree)
                trees[child] = trees.get(child, 0) | mask

    def _is_due(self, entries: int) -> bool:
        before, self.entries = self.entries, self.entries + entries
        return before // PROGRESS_ENTRIES != self.entries // PROGRESS_ENTRIES

    def progress(self, path: bytes = b"") -> SearchProgress:
        return SearchProgress(self.folders, self.entries, shown(path), self.unreadable)

    def _view(self, path: bytes, version: _Version, mask: int, mtime_ns: int, known: int) -> FileVersion:
        """`known`: the snapshots that tell what is in its folder."""
        newest = self._rows[(mask & -mask).bit_length() - 1]
        oldest = self._rows[mask.bit_length() - 1]
        covering = self._covering(path)
        last = covering & -covering
        return FileVersion(
            server_id=newest.server_id,
            server_name=newest.server_name,
            path=shown(path),
            type=version.type,
            size=version.size,
            mtime=entry_time(mtime_ns),
            snapshots=mask.bit_count(),
            newest=newest.id,
            newest_at=newest.created_at,
            oldest=oldest.id,
            oldest_at=oldest.created_at,
            target=shown(version.target),
            gone=bool(last & known) and not last & mask,
        )

    def _covering(self, path: bytes) -> int:
        """The snapshots that backed the path up, or would have."""
        covering = 0
        for mask, tops in self._covers.values():
            if any((path + b"/").startswith(top) for top in tops):
                covering |= mask
        return covering

    def _damage(self, path: bytes, mask: int) -> None:
        self.unreadable += 1
        self._damaged[path] = self._damaged.get(path, 0) | mask

    def _unknown_in(self, path: bytes) -> int:
        """The snapshots of which a folder on the way to this one, or it itself, can't be read."""
        unknown = self._damaged.get(path, 0)
        while self._damaged and path:
            path = path.rpartition(b"/")[0]
            unknown |= self._damaged.get(path, 0)
        return unknown

    def _source(self, tree: _Tree) -> AheadSource:
        key = (tree.domain, tree.epoch)
        source = self._sources.get(key)
        if source is None:
            ahead = LocateAhead(self._vault.node.locate)
            reader = self._vault.reader(*key, locate=ahead)
            source = self._sources[key] = AheadSource(reader, ahead)
        return source

    def _hint(self, below: Below) -> None:
        for name in sorted(below, reverse=True):
            for tree in below[name]:
                self._source(tree).hint([ChunkId(tree.tree)])


def _version(entry: Entry) -> _Version:
    name = TYPE_NAMES[entry.type]
    if entry.is_directory:
        return _Version(name, 0, 0, "", b"")
    content = content_tag(entry) if entry.is_file else f"{entry.rdev_major}:{entry.rdev_minor}"
    return _Version(name, entry.size, entry.mtime_ns, content, entry.target)


def _folder_path(path: str) -> bytes:
    return parse_shown(path).rstrip(b"/") + b"/"
