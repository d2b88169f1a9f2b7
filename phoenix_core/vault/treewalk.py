"""Finds and walks what a snapshot holds, from its root tree, without recursion."""

from collections.abc import Iterable, Iterator, Sequence

from phoenix_core.domain.ids import ChunkId
from phoenix_core.domain.names import shown
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.errors import HostileTree, PathNotInSnapshot
from phoenix_core.vault.tree import find_entry, read_tree

MAX_DEPTH = 65536
"""Deeper nesting than this is refused on reading; no scan may write it."""


def resolve(source: ChunkSource, root: bytes, path: bytes) -> Entry:
    """The entry at an absolute path; for `/` a made-up folder. Raises `PathNotInSnapshot`, `HostileTree`."""
    return descend(source, root, path)[-1][1]


def descend(source: ChunkSource, root: bytes, path: bytes) -> list[tuple[bytes, Entry]]:
    """The entries on the way to an absolute path, `/` first, the path itself last. Raises as `resolve`."""
    entry = Entry(b"", EntryType.DIRECTORY, 0o755, 0, 0, tree=root, partial=True)
    way = [(b"/", entry)]
    at = b""
    for name in parts(path):
        found = find_entry(source, entry.tree, name) if entry.is_directory else None
        if found is None:
            raise PathNotInSnapshot(path=shown(path))
        entry = found
        at += b"/" + name
        way.append((at, entry))
    return way


def walk(source: ChunkSource, root: bytes, paths: Sequence[bytes] = ()) -> Iterator[tuple[bytes, Entry]]:
    """Each of the paths with everything below it, parents first, siblings sorted by name; no paths, or `/`: everything
    (without `/` itself). A path below another one comes once. Raises as `resolve`, when the walk comes to it."""
    wanted = [parts(path) for path in paths] or [()]
    for way in _without_covered(wanted):
        if not way:
            yield from walk_tree(source, root)
            continue
        path = b"/" + b"/".join(way)
        entry = resolve(source, root, path)
        yield path, entry
        if entry.is_directory:
            yield from walk_tree(source, entry.tree, path)


def walk_tree(source: ChunkSource, tree: bytes, path: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
    """Everything below the folder with this tree, depth first, parents first; `path` is put in front."""
    stack = [(path, read_tree(source, tree))]
    while stack:
        above, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
            continue
        at = above + b"/" + entry.name
        yield at, entry
        if entry.is_directory:
            if len(stack) >= MAX_DEPTH:
                raise HostileTree(detail=f"folders are nested more than {MAX_DEPTH} deep")
            stack.append((at, read_tree(source, entry.tree)))


def parts(path: bytes) -> tuple[bytes, ...]:
    """The names of an absolute path. Raises `PathNotInSnapshot` for a relative one and for `.` and `..`."""
    names = tuple(name for name in path.split(b"/") if name)
    if not path.startswith(b"/") or b"." in names or b".." in names:
        raise PathNotInSnapshot(path=shown(path))
    return names


def _without_covered(ways: Iterable[tuple[bytes, ...]]) -> list[tuple[bytes, ...]]:
    kept: list[tuple[bytes, ...]] = []
    for way in sorted(set(ways)):
        if not kept or way[: len(kept[-1])] != kept[-1]:
            kept.append(way)
    return kept


class RecordingSource:
    """Passes reads on and remembers the ids: what a restore of these trees needs, or a mark has reached."""

    def __init__(self, source: ChunkSource) -> None:
        self._source = source
        self.ids: set[ChunkId] = set()

    def read_one(self, chunk: ChunkId) -> bytes:
        self.ids.add(chunk)
        return self._source.read_one(chunk)

    def read(self, ids: Iterable[ChunkId]) -> Iterator[tuple[ChunkId, bytes]]:
        wanted = list(ids)
        self.ids.update(wanted)
        return self._source.read(wanted)
