"""Looks into snapshots by reading only the trees on the way: entries of a folder, one entry, search, differences.

All of it blocks and is used from threads, one at a time for each snapshot reader.
"""

import fnmatch
import re
import shlex
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.changes import Change
from phoenix_core.domain.errors import UsageError
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.names import parse_shown, shown
from phoenix_core.domain.views import ChangePage, ChangeView, EntryPage, EntryView
from phoenix_core.engine.errors import NotAFolder
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.tree import read_tree
from phoenix_core.vault.treewalk import parts, resolve

TREES_KEPT = 512
ENTRIES_KEPT = 200_000
LOOK_LIMIT = 50_000
"""Entries looked at for one page of a search or diff; a page may be short and still not the last."""

TYPE_NAMES = {
    EntryType.FILE: "file",
    EntryType.DIRECTORY: "directory",
    EntryType.SYMLINK: "symlink",
    EntryType.FIFO: "fifo",
    EntryType.SOCKET: "socket",
    EntryType.CHAR_DEVICE: "char_device",
    EntryType.BLOCK_DEVICE: "block_device",
}
KINDS = {EntryType.FILE: "it is a file", EntryType.SYMLINK: "it is a symbolic link"}
Parts = tuple[bytes, ...]


class TreeCache:
    """Folders read last, so that paging and a search after a browse read nothing again. Thread-safe."""

    def __init__(self) -> None:
        self._trees: OrderedDict[tuple[str, int, bytes], list[Entry]] = OrderedDict()
        self._entries = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[str, int, bytes], read: Callable[[], list[Entry]]) -> list[Entry]:
        with self._lock:
            found = self._trees.get(key)
            if found is not None:
                self._trees.move_to_end(key)
                return found
        entries = read()
        with self._lock:
            if key not in self._trees:
                self._trees[key] = entries
                self._entries += len(entries)
            while len(self._trees) > 1 and (len(self._trees) > TREES_KEPT or self._entries > ENTRIES_KEPT):
                self._entries -= len(self._trees.popitem(last=False)[1])
        return entries


class SnapshotReader:
    """One snapshot, open for looking."""

    def __init__(self, vault: OpenVault, row: SnapshotRow, cache: TreeCache, source: ChunkSource | None = None) -> None:
        """`source` reads its trees; None: a new reader does."""
        self.row = row
        self._source = source or vault.reader(row.domain, row.epoch)
        self._cache = cache

    def children(self, tree: bytes) -> list[Entry]:
        key = (self.row.domain, self.row.epoch, tree)
        return self._cache.get(key, lambda: list(read_tree(self._source, tree)))

    def resolve(self, path: bytes) -> Entry:
        return resolve(self._source, self.row.root, path)

    def walk(self, tree: bytes, above: Parts, after: Parts) -> Iterator[tuple[Parts, Entry]]:
        """Everything below a folder in path order, from behind `after` on. Folders wholly before it are not read."""
        pending = [(above, iter(self.children(tree)))]
        while pending:
            where, rest = pending[-1]
            child = next(rest, None)
            if child is None:
                pending.pop()
                continue
            at = (*where, child.name)
            if at > after:
                yield at, child
            elif after[: len(at)] != at:
                continue
            if child.is_directory:
                pending.append((at, iter(self.children(child.tree))))


def entry_view(path: str, entry: Entry) -> EntryView:
    return EntryView(
        path=path,
        name=shown(entry.name) or "/",
        type=TYPE_NAMES[entry.type],
        size=entry.size,
        mode=entry.mode,
        owner=entry.owner or str(entry.uid),
        group=entry.group or str(entry.gid),
        mtime=entry_time(entry.mtime_ns),
        target=shown(entry.target),
    )


def entries(view: SnapshotReader, path: str, after: str, limit: int) -> EntryPage:
    """A page of a folder's entries. Raises PathNotInSnapshot, NotAFolder."""
    where = parts(parse_shown(path))
    folder = folder_of(view.row, _join(where), view.resolve(_join(where)))
    behind = parse_shown(after)
    found = view.children(folder.tree)
    page = [child for child in found if not behind or child.name > behind][: limit + 1]
    return EntryPage(
        entries=tuple(entry_view(shown(_join((*where, child.name))), child) for child in page[:limit]),
        next_after=shown(page[limit - 1].name) if len(page) > limit else "",
        total=len(found),
    )


def folder_of(row: SnapshotRow, path: bytes, found: Entry) -> Entry:
    """What was found at the path, if it is a folder. Raises NotAFolder."""
    if not found.is_directory:
        raise NotAFolder(
            path=shown(path),
            what=KINDS.get(found.type, "it is a special file"),
            snapshot=row.id[:SHORT_ID_DIGITS],
            server=row.server_name,
            quoted=shlex.quote(shown(path)),
        )
    return found


def entry(view: SnapshotReader, path: str) -> EntryView:
    where = parts(parse_shown(path))
    return entry_view(shown(_join(where)), view.resolve(_join(where)))


def find(view: SnapshotReader, pattern: str, path: str, after: str, limit: int) -> EntryPage:
    """Entries below `path` that fit a shell pattern: by name, or where it holds a slash by path. Case counts only
    where the pattern has capitals. Without wildcards any name that contains it fits."""
    where = parts(parse_shown(path))
    behind = parts(parse_shown(after)) if after else where
    start = view.resolve(_join(where))
    fits = matcher(pattern)
    found: list[EntryView] = []
    if not start.is_directory:
        return EntryPage(entries=())
    for looked, (at, child) in enumerate(view.walk(start.tree, where, behind), 1):
        full = shown(_join(at))
        if fits(full, shown(child.name)):
            found.append(entry_view(full, child))
        if len(found) >= limit or looked >= LOOK_LIMIT:
            return EntryPage(entries=tuple(found), next_after=full)
    return EntryPage(entries=tuple(found))


def diff(before: SnapshotReader, later: SnapshotReader, after: str, limit: int) -> ChangePage:
    """What changed from one snapshot to another. Folders that are the same chunk in both are not read."""
    changes: list[ChangeView] = []
    pairs = _pairs(before, later, parts(parse_shown(after or "/")))
    for looked, (at, old, new) in enumerate(pairs, 1):
        change = _change(old, new)
        if change:
            changes.append(
                ChangeView(
                    path=shown(_join(at)),
                    change=change,
                    size_before=old.size if old else 0,
                    size_after=new.size if new else 0,
                )
            )
        if len(changes) >= limit or looked >= LOOK_LIMIT:
            return ChangePage(changes=tuple(changes), next_after=shown(_join(at)))
    return ChangePage(changes=tuple(changes))


def _pairs(
    before: SnapshotReader, later: SnapshotReader, after: Parts
) -> Iterator[tuple[Parts, Entry | None, Entry | None]]:
    """The entries of two snapshots side by side, in path order, from behind `after` on."""
    same_ids = (before.row.domain, before.row.epoch) == (later.row.domain, later.row.epoch)

    def folder(above: Parts, old_tree: bytes, new_tree: bytes) -> Iterator[tuple[Parts, Entry | None, Entry | None]]:
        if old_tree == new_tree and same_ids:
            return
        old = {child.name: child for child in before.children(old_tree)} if old_tree else {}
        new = {child.name: child for child in later.children(new_tree)} if new_tree else {}
        for name in sorted(old.keys() | new.keys()):
            yield (*above, name), old.get(name), new.get(name)

    pending = [folder((), before.row.root, later.row.root)]
    while pending:
        pair = next(pending[-1], None)
        if pair is None:
            pending.pop()
            continue
        at, old, new = pair
        if at > after:
            yield pair
        elif after[: len(at)] != at:
            continue
        trees = [each.tree if each is not None and each.is_directory else b"" for each in (old, new)]
        if any(trees):
            pending.append(folder(at, trees[0], trees[1]))


def _change(old: Entry | None, new: Entry | None) -> Change | None:
    if old is None or new is None:
        return Change.ADDED if old is None else Change.REMOVED
    if old.type is not new.type:
        return Change.TYPE
    content = (old.size, old.chunks, old.chunk_list, old.extents, old.target, old.rdev_major, old.rdev_minor)
    if content != (new.size, new.chunks, new.chunk_list, new.extents, new.target, new.rdev_major, new.rdev_minor):
        return Change.CONTENT
    if old.partial or new.partial:
        return None
    metadata = (old.mode, old.uid, old.gid, old.owner, old.group, old.xattrs)
    times = old.mtime_ns != new.mtime_ns and not old.is_directory
    is_same = not times and metadata == (new.mode, new.uid, new.gid, new.owner, new.group, new.xattrs)
    return None if is_same else Change.METADATA


def matcher(pattern: str) -> Callable[[str, str], bool]:
    """Whether an entry of this path and this name, in shown form, fits: see `find`. Raises UsageError."""
    if not pattern:
        raise UsageError(detail="A search needs a pattern.")
    pattern = shown(parse_shown(pattern))
    if not re.search(r"[*?\[]", pattern):
        pattern = f"*{pattern}*"
    caseless = pattern == pattern.lower()
    compiled = re.compile(fnmatch.translate(pattern), re.IGNORECASE if caseless else 0)
    by_path = "/" in pattern
    return lambda path, name: compiled.match(path if by_path else name) is not None


def _join(names: Parts) -> bytes:
    return b"/" + b"/".join(names)


def entry_time(time_ns: int) -> datetime:
    """An entry's time; the last or first one that there is where it is beyond."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)
