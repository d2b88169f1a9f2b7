"""Keys of the metadata packs that this agent wrote, so that an incremental backup reads its parent without the core."""

import os
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from phoenix_core.agent.errors import StateUnusable
from phoenix_core.host.openfiles import CLOSED_AT_EXEC

FILE_NAME = "packkeys.sqlite"
_ASK_AT_ONCE = 500


class KeyCache:
    """An SQLite file of mode 0600. Safe to use from several threads."""

    def __init__(self, state_dir: Path) -> None:
        """Raises `StateUnusable`. A damaged file is replaced: the core knows all keys."""
        self._path = state_dir / FILE_NAME
        self._lock = threading.Lock()
        try:
            self._db = self._open()
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            self._db = self._open()

    def remember(self, keys: Mapping[bytes, bytes]) -> None:
        """Keep these; durable when it returns. Raises `StateUnusable` where the disk is full."""
        try:
            with self._lock, self._db:
                self._db.executemany("INSERT OR REPLACE INTO pack_keys VALUES (?, ?)", list(keys.items()))
        except sqlite3.DatabaseError as error:
            raise StateUnusable(path=self._path.parent, detail=error) from error

    def recall(self, pack_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Those of the keys that are kept. A cache that can't be read has none: the core knows all keys."""
        found: dict[bytes, bytes] = {}
        with self._lock, suppress(sqlite3.DatabaseError):
            for at in range(0, len(pack_ids), _ASK_AT_ONCE):
                some = list(pack_ids[at : at + _ASK_AT_ONCE])
                marks = ",".join("?" * len(some))
                rows = self._db.execute(f"SELECT pack_id, pack_key FROM pack_keys WHERE pack_id IN ({marks})", some)  # noqa: S608 - only question marks go in
                found.update(rows.fetchall())
        return found

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _open(self) -> sqlite3.Connection:
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | CLOSED_AT_EXEC, 0o600))
        except OSError as error:
            raise StateUnusable(path=self._path.parent, detail=error.strerror) from error
        db = sqlite3.connect(self._path, check_same_thread=False, timeout=30)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE IF NOT EXISTS pack_keys (pack_id BLOB PRIMARY KEY, pack_key BLOB) WITHOUT ROWID")
            db.commit()
        except BaseException:
            db.close()
            raise
        return db
