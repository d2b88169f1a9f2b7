"""An LMDB environment that grows by itself, is checked before it is trusted, and refuses network file systems.

Many threads read and write it through `reading` and `write`. Growing the map ends all transactions of the process, so
it waits until none runs; a transaction therefore must be short and must not start another.
"""

import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import lmdb
from lmdb.verify import VerifyError
from lmdb.verify import verify as verify_file

from phoenix_core.host.atomicfile import make_folders, sync_folder
from phoenix_core.host.filesystem import network_kind
from phoenix_core.vault.errors import IndexOnNetworkFileSystem
from phoenix_core.vault.index_errors import IndexDamaged, IndexFull, IndexMissing, no_room, told_full

if TYPE_CHECKING:
    Txn = lmdb.Transaction[bytes]
    TableCursor = lmdb.Cursor[bytes]
else:
    Txn = lmdb.Transaction
    TableCursor = lmdb.Cursor
T = TypeVar("T")
Database = Any
"""A named table of the environment; lmdb has no public name for the type."""

FIRST_MAP_BYTES = 256 << 20
MAX_READERS = 512
MAX_TABLES = 32
DATA_FILE = "data.mdb"
LOCK_FILE = "lock.mdb"
LOCK_FILE_BYTES = 64 * MAX_READERS + 4096
"""At least what LMDB 0.9 would make it: 64 bytes for each reader, and a head."""
_META = struct.Struct("=16xII16xI92xQQ")
_META_MAGIC = 0xBEEFC0DE


class Gate:
    """Many may pass at once, or one alone, who waits for the others to leave."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._alone = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._alone = True
            self._changed.wait_for(lambda: self._inside == 0)
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()


class Environment:
    """See the module. Every method may raise IndexDamaged; writing ones IndexFull."""

    def __init__(self, folder: Path, *, create: bool = False, check: bool = False, map_bytes: int = 0) -> None:
        """Open it. `check` walks the whole file first, as is due after a crash of the machine or of its disk.

        Raises IndexOnNetworkFileSystem, IndexMissing (unless `create`), IndexDamaged, IndexFull.
        """
        self.folder = folder
        self._gate = Gate()
        if create:
            with told_full(folder):
                make_folders(folder)
        elif not (folder / DATA_FILE).is_file() or (folder / DATA_FILE).stat().st_size == 0:
            raise IndexMissing(folder=folder)
        if kind := network_kind(folder):
            raise IndexOnNetworkFileSystem(path=folder, file_system=kind)
        lacking = _lacking_bytes(folder)
        if check or lacking > 0:
            self._verify()
        with told_full(folder):
            if (
                lacking > 0
            ):  # sound, with unused pages at its end that never were written: the map must not end before them
                os.truncate(folder / DATA_FILE, (folder / DATA_FILE).stat().st_size + lacking)
            _allocate_lock_file(folder)
        with self._told():
            self._lmdb = lmdb.open(
                str(folder),
                map_size=max(map_bytes or FIRST_MAP_BYTES, _map_bytes_for(folder)),
                mode=0o600,
                max_readers=MAX_READERS,
                max_dbs=MAX_TABLES,
            )
        if create:  # LMDB syncs what is in its file, not the file's name
            sync_folder(folder)

    def table(self, name: str, *, duplicates: bool = False, fixed: bool = False) -> Database:
        """Open a table, making it if it isn't there; before the first transaction. `fixed`: duplicates of one size."""
        with self._told(), self._gate.shared():
            return self._lmdb.open_db(name.encode(), dupsort=duplicates, dupfixed=fixed)

    @contextmanager
    def reading(self) -> Iterator[Txn]:
        while True:
            with self._told(), self._gate.shared():
                try:
                    transaction = self._lmdb.begin()
                except lmdb.MapResizedError:
                    pass
                else:
                    with transaction:
                        yield transaction
                    return
            self._grow(0)

    def write(self, work: Callable[[Txn], T]) -> T:
        """Run `work` in a write transaction, durable on return; it may be run again when the map has to grow."""
        while True:
            size = 0
            with self._told(), self._gate.shared():
                try:
                    with self._lmdb.begin(write=True) as transaction:
                        return work(transaction)
                except lmdb.MapFullError:
                    size = self._lmdb.info()["map_size"] * 2
                except lmdb.MapResizedError:
                    size = 0
            self._grow(size)

    def map_bytes(self) -> int:
        with self._gate.shared():
            return int(self._lmdb.info()["map_size"])

    def close(self) -> None:
        with self._gate.alone():
            self._lmdb.close()

    def _grow(self, size: int) -> None:
        """To `size` bytes, or, with 0, to what another process grew it to."""
        with self._told(), self._gate.alone():
            if size == 0 or size > self._lmdb.info()["map_size"]:
                self._lmdb.set_mapsize(size)

    def _verify(self) -> None:
        data = self.folder / DATA_FILE
        if not data.exists() or data.stat().st_size == 0:
            return
        try:
            found = verify_file(str(self.folder))  # type: ignore[no-untyped-call]
        except (VerifyError, OSError) as error:
            raise IndexDamaged(folder=self.folder, detail=error) from error
        if found:
            raise IndexDamaged(folder=self.folder, detail=found[0])

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except lmdb.DiskError as error:
            raise IndexFull(folder=self.folder) from error
        except (lmdb.MapFullError, lmdb.MapResizedError):
            raise
        except lmdb.Error as error:
            if (lacks := no_room(error, self.folder)) is not None:
                raise lacks from error
            raise IndexDamaged(folder=self.folder, detail=error) from error


def _allocate_lock_file(folder: Path) -> None:
    """LMDB maps its table of readers and writes to it through the map: where the disk has no room for such a page, that
    kills the process. Raises OSError."""
    fd = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, LOCK_FILE_BYTES)
    finally:
        os.close(fd)


def _lacking_bytes(folder: Path) -> int:
    """How much shorter the file is than its newest meta page says. Reading a mapped page that isn't there kills us.

    Layout of LMDB 0.9 on 64-bit machines (mdb.c): page header of 16 bytes; magic, version (u32 each); address, map size
    (u64 each); two tables of 48 bytes, the first beginning with the page size (u32); last page, transaction (u64).
    """
    try:
        with (folder / DATA_FILE).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            metas = [_META.unpack(os.pread(file.fileno(), _META.size, 0))]
            page_bytes = metas[0][2]
            metas.append(_META.unpack(os.pread(file.fileno(), _META.size, page_bytes)))
    except (FileNotFoundError, struct.error, OverflowError, ValueError):
        return 0  # nothing there yet, or nothing that LMDB would open
    newest = max(metas, key=lambda meta: int(meta[4]))
    if newest[:2] != (_META_MAGIC, 1):
        return 0
    return int((newest[3] + 1) * newest[2] - size)


def _map_bytes_for(folder: Path) -> int:
    """A power of two above what the file holds already."""
    try:
        held = (folder / DATA_FILE).stat().st_size
    except FileNotFoundError:
        held = 0
    return 1 << max(20, (held * 2).bit_length())
