"""The parent snapshot's trees, read alongside the scan: both come sorted by name, so they are merged as they pass."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.errors import VaultError
from phoenix_core.vault.tree import entry_chunks, read_tree_pages
from phoenix_core.vault.treewalk import RecordingSource

_END: list[Entry] = []


class ParentTrees:
    """What the parent snapshot says of each folder."""

    def __init__(
        self,
        source: ChunkSource,
        root: bytes,
        *,
        unusable: frozenset[bytes] = frozenset(),
        hint: Callable[[Sequence[ChunkId]], None] = lambda ids: None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`unusable`: chunks that count as missing now. `warn` is told once of a tree that can't be read."""
        self._source = source
        self._root = root
        self._unusable = unusable
        self._hint = hint
        self._warn = warn
        self._warned = False

    @property
    def all_usable(self) -> bool:
        """Whether every chunk of the parent, those of its trees too, is still there."""
        return not self._unusable

    def root(self) -> "ParentFolder":
        return ParentFolder(self._pages(self._root))

    def below(self, entry: Entry | None) -> "ParentFolder | None":
        """The parent's folder of this entry, if it is one."""
        if entry is None or not entry.is_directory:
            return None
        return ParentFolder(self._pages(entry.tree))

    def entries(self, tree: bytes) -> Iterator[Entry]:
        """A folder's entries as they are stored. Raises what the source raises."""
        return chain.from_iterable(read_tree_pages(self._source, tree))

    def is_usable(self, entry: Entry) -> bool:
        """Whether all chunks of an entry are still there."""
        if not self._unusable:
            return True
        if entry.extent_list or entry.xattr_list or any(ref.id in self._unusable for ref in entry.chunks):
            return False
        if not entry.chunk_list:
            return True
        recording = RecordingSource(self._source)
        try:
            ids = {ref.id for ref in entry_chunks(recording, entry)}
        except VaultError:
            return False
        return self._unusable.isdisjoint(ids) and self._unusable.isdisjoint(recording.ids)

    def _pages(self, tree: bytes) -> Iterator[list[Entry] | None]:
        """The folder's entries, some at a time. Of a tree that can't be read None comes at the end: its files are read
        anew."""
        try:
            for page in read_tree_pages(self._source, tree):
                self._hint([ChunkId(entry.tree) for entry in page if entry.tree])
                yield page
        except (VaultError, RemoteError) as error:
            if not self._warned:
                self._warned = True
                self._warn(f"A tree of the parent snapshot can't be read, its files are read anew: {error}")
            yield None


class ParentFolder:
    """One folder of the parent, asked for ascending names."""

    def __init__(self, pages: Iterator[list[Entry] | None]) -> None:
        self._pages = pages
        self.page: list[Entry] = []
        """The entries at hand; those before `at` were given out or passed over."""
        self.at = 0
        self.exact = True
        """Every entry so far was asked for, and all could be read."""

    def find(self, name: bytes) -> Entry | None:
        """The entry of this name; every call names a later one than the call before."""
        while self.has_more():
            entry = self.page[self.at]
            if entry.name > name:
                return None
            self.at += 1
            if entry.name == name:
                return entry
            self.exact = False
        return None

    def has_more(self) -> bool:
        """Whether there are entries after those asked for."""
        while self.at >= len(self.page):
            page = next(self._pages, _END)
            if page is _END:
                return False
            self.exact = self.exact and page is not None
            self.page, self.at = page or [], 0
        return True


def is_unchanged(entry: Entry, status: os.stat_result) -> bool:
    """Whether size, times and inode are those that the parent has of this file, link or node."""
    return (
        entry.ctime_ns == status.st_ctime_ns
        and entry.mtime_ns == status.st_mtime_ns
        and entry.inode == status.st_ino
        and (not entry.is_file or entry.size == status.st_size)
    )


def is_same_file(entry: Entry, status: os.stat_result, device: int) -> bool:
    """Whether a name of the parent's file stands, unchanged, for a file without further hard links on this device."""
    return (
        status.st_ctime_ns == entry.ctime_ns
        and status.st_mtime_ns == entry.mtime_ns
        and status.st_ino == entry.inode
        and status.st_size == entry.size
        and status.st_nlink == 1
        and status.st_dev == device
        and stat.S_ISREG(status.st_mode)
    )
