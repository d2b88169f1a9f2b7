"""The files of one snapshot, open for reading by the core."""

from collections.abc import Iterator
from contextlib import contextmanager

from blake3 import blake3

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.names import shown
from phoenix_core.engine.browse import KINDS
from phoenix_core.engine.reading.errors import FileUnreadable, NotAFile
from phoenix_core.engine.reading.readers import Readers
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.errors import ChunkDamaged, ChunkMissing, HostileTree
from phoenix_core.vault.filecontent import FileContent, read_pieces
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.treewalk import parts, resolve, walk_tree

DAMAGE = (ChunkMissing, ChunkDamaged, HostileTree)
"""What the vault raises for what it can't give back as it was."""


class SnapshotFiles:
    """Used by one thread at a time."""

    def __init__(self, row: SnapshotRow, trees: ChunkReader, data: ChunkReader) -> None:
        self.row = row
        self._trees = trees
        self._data = data

    def entry(self, path: bytes) -> Entry:
        """The entry at an absolute path; for `/` a made-up folder. Raises `PathNotInSnapshot`, FileUnreadable."""
        with self._naming(path):
            return resolve(self._trees, self.row.root, path)

    def content(self, path: bytes) -> FileContent:
        """A file, ready for reading. Raises as `entry`, and NotAFile."""
        entry = self.entry(path)
        if not entry.is_file:
            what = KINDS.get(entry.type, "it is a special file")
            raise NotAFile(path=shown(path), what=what, snapshot=self.row.id[:SHORT_ID_DIGITS])
        return FileContent(entry)

    def walk(self, path: bytes) -> Iterator[tuple[bytes, Entry]]:
        """The entry at a path and everything below it, parents first. Raises as `entry`, when the walk comes to it."""
        entry = self.entry(path)
        at = b"/" + b"/".join(parts(path))
        yield at, entry
        if not entry.is_directory:
            return
        below = walk_tree(self._trees, entry.tree, b"" if at == b"/" else at)
        last = at
        while True:
            with self._naming(last):
                found = next(below, None)
            if found is None:
                return
            last = found[0]
            yield found

    def read(self, path: bytes, content: FileContent, start: int, end: int) -> Iterator[bytes | memoryview]:
        """The bytes of a range, checked. Raises FileUnreadable, and what the storage node raises."""
        pieces = read_pieces(self._data, content.pieces(self._trees, start, end))
        while True:
            with self._naming(path):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    @contextmanager
    def _naming(self, path: bytes) -> Iterator[None]:
        try:
            yield
        except DAMAGE as error:
            raise FileUnreadable(
                path=shown(path),
                snapshot=self.row.id,
                server=self.row.server_name,
                detail=error.message.rstrip(".") + ".",
            ) from error


@contextmanager
def snapshot_files(readers: Readers, vault: OpenVault, row: SnapshotRow) -> Iterator[SnapshotFiles]:
    with (
        readers.lent(vault, row.domain, row.epoch, PackKind.META) as trees,
        readers.lent(vault, row.domain, row.epoch, PackKind.DATA) as data,
    ):
        yield SnapshotFiles(row, trees, data)


def content_tag(entry: Entry) -> str:
    """The same for the same content of one domain and epoch, else another: for HTTP's ETag."""
    digest = blake3(entry.size.to_bytes(8, "big") + entry.chunk_list)
    for ref in entry.chunks:
        digest.update(ref.id)
    for extent in entry.extents or ():
        digest.update(extent.offset.to_bytes(8, "big") + extent.length.to_bytes(8, "big"))
    return digest.hexdigest(16)
