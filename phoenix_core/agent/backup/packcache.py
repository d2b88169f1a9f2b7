"""Copies of the metadata packs that this agent wrote, so that an incremental backup reads its parent's trees here.

They lie in `metapacks/` of the agent's folder, sealed as in the vault; their keys are in the key cache. A copy that is
gone or damaged is no trouble: the vault has the pack. Whether the vault still has it is the core's to tell.
"""

import os
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.host.openfiles import CLOSED_AT_EXEC, NOT_A_LINK, read_at
from phoenix_core.vault.chunkreader import ChunkReader, ChunkSource
from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.errors import VaultError
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockKeys, Location, OpenPack
from phoenix_core.vault.packreader import read_tail

FOLDER = "metapacks"
UNUSED_S = 40 * 86400
"""A copy that no backup read for so long is removed."""
LIMIT_BYTES = 2**30
"""With more than these the ones unused for longest are removed."""
_COPY_BYTES = 2**20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | CLOSED_AT_EXEC


class PackCache:
    """For one job; not thread-safe. Copies may vanish under it: another job of the agent tidies too."""

    def __init__(self, state_dir: Path, keys: DomainKeys, block_keys: BlockKeys) -> None:
        self._folder = state_dir / FOLDER
        self._index_key = keys.index_key
        self._places: dict[ChunkId, Location] = {}
        self._used: set[bytes] = set()
        self._reader = ChunkReader(self._locate, self._open, block_keys, keys, PackKind.META)

    def load(self, only: Container[bytes] | None = None) -> None:
        """Learn which chunks the copies hold; `only` those of these packs. What can't be read, or is of another domain,
        is passed over."""
        for path in self._copies():
            with suppress(OSError, VaultError, ValueError):
                pack_id = bytes.fromhex(path.name)
                if only is None or pack_id in only:
                    self._learn(PackId(pack_id), path)

    @property
    def pack_ids(self) -> list[bytes]:
        """The packs of which there is a copy."""
        return list({place.pack_id for place in self._places.values()})

    def holds(self, chunk: ChunkId) -> bool:
        return chunk in self._places

    def read_one(self, chunk: ChunkId) -> bytes:
        """A chunk that `holds`. Raises `PhoenixError` or OSError where its copy can't be used."""
        return self._reader.read_one(chunk)

    def forget(self, chunk: ChunkId) -> None:
        """Its copy is of no use: give up all that lies in it."""
        bad = self._places[chunk].pack_id
        self._places = {each: place for each, place in self._places.items() if place.pack_id != bad}
        self._path(bad).unlink(missing_ok=True)

    def keep(self, pack_id: PackId, fd: int, length: int) -> None:
        """Copy a pack that is in the vault now. Where there is no room for it there is no copy."""
        path = self._path(pack_id)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(os.open(path, _NEW, 0o600), "wb", buffering=0) as copy:
                at = 0
                while at < length and (data := read_at(fd, min(_COPY_BYTES, length - at), at)):
                    copy.write(data)
                    at += len(data)
            self._used.add(pack_id)
        except FileExistsError:
            pass
        except OSError:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what no backup reads any more. Best after a backup that read its parent."""
        now = time.time()
        for pack_id in self._used:
            with suppress(OSError):
                os.utime(self._path(pack_id), (now, now))
        kept_bytes = 0
        for used_at, size, path in sorted(self._ages(), reverse=True):
            kept_bytes += size
            if now - used_at > UNUSED_S or kept_bytes > LIMIT_BYTES:
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def _ages(self) -> Iterator[tuple[float, int, Path]]:
        for path in self._copies():
            with suppress(OSError):
                status = path.stat()
                yield status.st_mtime, status.st_size, path

    def _copies(self) -> list[Path]:
        try:
            return list(self._folder.iterdir())
        except OSError:
            return []

    def _learn(self, pack_id: PackId, path: Path) -> None:
        with _opened(path) as (pack, length):
            tail = read_tail(pack, length, self._index_key)
        for ordinal, block in enumerate(tail.blocks):
            for chunk, offset, size in block.chunks():
                self._places[chunk] = Location(pack_id, ordinal, block.offset, block.sealed_bytes, offset, size)

    def _locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        return [self._places.get(chunk) for chunk in ids]

    @contextmanager
    def _open(self, pack_id: PackId) -> Iterator[OpenPack]:
        with _opened(self._path(pack_id)) as (pack, _):
            self._used.add(pack_id)
            yield pack

    def _path(self, pack_id: bytes) -> Path:
        return self._folder / pack_id.hex()


class CachedTrees:
    """A source of metadata chunks: from the copies where they have a chunk, else from the vault."""

    def __init__(self, cache: PackCache, vault: ChunkSource) -> None:
        self._cache = cache
        self._vault = vault

    def read_one(self, chunk: ChunkId) -> bytes:
        if self._cache.holds(chunk):
            try:
                return self._cache.read_one(chunk)
            except (PhoenixError, OSError):
                self._cache.forget(chunk)
        return self._vault.read_one(chunk)

    def read(self, ids: Iterable[ChunkId]) -> Iterator[tuple[ChunkId, bytes]]:
        wanted = list(ids)
        if not all(map(self._cache.holds, wanted)):
            yield from self._vault.read(wanted)
            return
        for chunk in wanted:
            yield chunk, self.read_one(chunk)


class _Copy:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def pread(self, length: int, offset: int) -> bytes:
        return read_at(self._fd, length, offset)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[_Copy, int]]:
    fd = os.open(path, os.O_RDONLY | NOT_A_LINK | CLOSED_AT_EXEC)
    try:
        yield _Copy(fd), os.fstat(fd).st_size
    finally:
        os.close(fd)
