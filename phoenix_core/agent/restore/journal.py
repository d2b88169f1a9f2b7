"""What an interrupted restore has completed, so that the same restore, started again, goes on instead of anew.

One SQLite file per snapshot, destination and paths in the agent's state folder, removed when a restore ends. It
survives a kill of the agent. After a crash of the host it isn't believed about what is in place, whose content may not
have reached the disk: then all that the restore was about to write is compared with the snapshot, or written anew. That
much is on the disk before the first of these files is made.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from blake3 import blake3

from phoenix_core.agent.restore.completed import ENTRY_BYTES, KEY_BYTES, key_of, status_in
from phoenix_core.agent.restore.errors import JournalUnreadable
from phoenix_core.agent.restore.records import Known
from phoenix_core.host.atomicfile import sync_folder

FOLDER = "restores"
KEPT_S = 30 * 86400
PASSING = "passing-"
"""How names begin of those that nobody goes on with."""
_ASK_AT_ONCE = 500
_MADE_AT_ONCE = 4096
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TABLES = (
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT)",
    "CREATE TABLE IF NOT EXISTS jobs (job TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS completed (number INTEGER PRIMARY KEY, entries BLOB)",
    "CREATE TABLE IF NOT EXISTS intended (number INTEGER PRIMARY KEY, in_hand INTEGER, paths BLOB)",
    "CREATE TABLE IF NOT EXISTS begun (path BLOB PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS done (path BLOB PRIMARY KEY, status BLOB) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS made (path BLOB PRIMARY KEY) WITHOUT ROWID",
)

log = structlog.get_logger(__name__)


class Journal:
    """Not thread-safe. Where it can't be kept (the disk is full; an equal restore is under way and has it) the restore
    goes on without: `trouble` says why."""

    def __init__(
        self, state_dir: Path, target: str, job: str, began_ns: int, *, needed: bool = False, passing: bool = False
    ) -> None:
        """`target` names snapshot, destination and paths. `needed`: without the journal half a file of an interrupted
        run would be taken for one that was there before; then one that can't be read is `JournalUnreadable`, here and
        later. `passing`: it goes when the restore ends, however that is."""
        folder = state_dir / FOLDER
        name = (PASSING if passing else "") + blake3(target.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._path = folder / f"{name}.sqlite"
        self._lock_path = folder / f"{name}.lock"
        self._lock = -1
        self._db: sqlite3.Connection | None = None
        self._begun = False
        self._to_make: list[tuple[bytes]] = []
        self._needed = needed
        self._passing = passing
        self.job = job
        self.trouble = ""
        self.earlier_jobs: list[str] = []
        """Jobs that were interrupted; what they left under temporary names is to go."""
        self.began_ns = began_ns
        """When the first of them began."""
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            _remove_old(folder)
            self._lock = _locked(self._lock_path)
            os.utime(self._lock)
            sync_folder(state_dir)
            self._db = self._opened()
        except (OSError, sqlite3.Error) as error:
            self.trouble = str(error)
            if needed and self._lock >= 0 and _has_content(self._path):
                self._close(remove=False)
                raise JournalUnreadable(path=self._path, detail=self.trouble) from error

    @property
    def is_resumed(self) -> bool:
        return bool(self.earlier_jobs)

    def known(self, paths: Sequence[bytes]) -> dict[bytes, Known]:
        """Those of the paths (in the snapshot) that were completed."""
        by_key = {key_of(path): path for path in paths} if self.is_resumed else {}
        rows = self._ask_about("SELECT path, status FROM done WHERE path IN", list(by_key))
        return {by_key[key]: status_in(status) for key, status in rows}

    def begun(self, paths: Sequence[bytes]) -> set[bytes]:
        """Those of the paths (in the snapshot) that an interrupted run had in hand (`hand_out`; after a crash of the
        host, `intend`) and didn't complete: what is there under their names may be half a file."""
        by_key = {key_of(path): path for path in paths} if self.is_resumed else {}
        rows = self._ask_about(
            "SELECT path FROM begun WHERE path NOT IN (SELECT path FROM done) AND path IN", list(by_key)
        )
        return {by_key[row[0]] for row in rows}

    def intend(self, paths: Sequence[bytes]) -> None:
        """These entries will be put in place. On the disk when this returns."""
        if paths:
            self._add("INSERT INTO intended (in_hand, paths) VALUES (0, ?)", [(_packed(paths),)], on_disk=True)

    def hand_out(self, paths: Sequence[bytes]) -> bool:
        """These files will be made under their own names. False where that can't be remembered."""
        if paths:
            self._add("INSERT INTO intended (in_hand, paths) VALUES (1, ?)", [(_packed(paths),)])
        return self._db is not None

    def complete(self, packed: bytes) -> None:
        """Remember what is in place; see `completed`."""
        if packed:
            self._add("INSERT INTO completed (entries) VALUES (?)", [(packed,)])

    def will_make(self, path: bytes) -> None:
        """A folder (below the destination) isn't there yet; kept with `begin`."""
        self._to_make.append((key_of(path),))
        if len(self._to_make) >= _MADE_AT_ONCE:
            self._flush_made()

    def begin(self) -> None:
        """The plan is made, and writing begins. On the disk when this returns."""
        self._flush_made()
        self._add("INSERT OR REPLACE INTO jobs VALUES (?)", [(self.job,)], on_disk=True)
        self._begun = True

    def has_made(self, path: bytes) -> bool:
        """Whether the folder was made by this restore or an interrupted one."""
        return bool(self._ask("SELECT 1 FROM made WHERE path = ?", (key_of(path),)))

    def keep(self) -> None:
        """The restore was interrupted: the next one goes on, if there is anything to go on with."""
        self._close(remove=self._passing or (not self._begun and not self.is_resumed))

    def drop(self) -> None:
        """The restore has ended."""
        self._close(remove=True)

    def _close(self, *, remove: bool) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._lock < 0:
            return
        if remove:
            with suppress(OSError):
                _remove_database(self._path)
                self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = -1

    def _opened(self) -> sqlite3.Connection:
        """The database, with what earlier jobs left in it; one that is damaged is begun anew where it isn't needed."""
        try:
            return self._load(_database(self._path))
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            if self._needed:
                raise
            _remove_database(self._path)
            return self._load(_database(self._path))

    def _load(self, db: sqlite3.Connection) -> sqlite3.Connection:
        try:
            earlier = [str(row[0]) for row in db.execute("SELECT job FROM jobs")]
            self.began_ns = int(_fact(db, "began_ns", str(self.began_ns)))
            boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
            crashed = _fact(db, "boot", boot) != boot
            if crashed:
                db.execute("DELETE FROM completed")
                db.execute("DELETE FROM done")
                db.execute("UPDATE facts SET value = ? WHERE name = 'boot'", (boot,))
            _unpack_begun(db, in_hand_only=not crashed)
            _unpack_completed(db)
        except BaseException:
            db.close()
            raise
        self.earlier_jobs = earlier
        return db

    def _ask_about(self, question: str, keys: Sequence[bytes]) -> Iterator[tuple[Any, ...]]:
        for at in range(0, len(keys), _ASK_AT_ONCE):
            some = keys[at : at + _ASK_AT_ONCE]
            marks = ",".join("?" * len(some))
            yield from self._ask(f"{question} ({marks})", some)

    def _ask(self, question: str, values: Sequence[bytes]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        self._try(lambda db: found.extend(db.execute(question, values)))
        return found

    def _flush_made(self) -> None:
        """Into the open transaction, which `begin` ends."""
        rows, self._to_make = self._to_make, []
        self._try(lambda db: db.executemany("INSERT OR REPLACE INTO made VALUES (?)", rows))

    def _add(self, statement: str, rows: Sequence[tuple[bytes | str]], *, on_disk: bool = False) -> None:
        def add(db: sqlite3.Connection) -> None:
            if on_disk:
                db.commit()
                db.execute("PRAGMA synchronous = FULL")
            db.executemany(statement, rows)
            db.commit()
            if on_disk:
                db.execute("PRAGMA synchronous = NORMAL")

        self._try(add)

    def _try(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Give the journal up where it fails; what was kept before still serves. Raises `JournalUnreadable` where this
        restore can't do without."""
        if self._db is None:
            return
        try:
            work(self._db)
        except sqlite3.Error as error:
            self.trouble = str(error)
            self._db.close()
            self._db = None
            if self._needed and self.is_resumed:
                raise JournalUnreadable(path=self._path, detail=self.trouble) from error


def _packed(paths: Sequence[bytes]) -> bytes:
    return b"".join([key_of(path) for path in paths])


def _unpack_completed(db: sqlite3.Connection) -> None:
    """What an interrupted run wrote in one piece for many entries, as rows that can be looked up."""
    for (packed,) in db.execute("SELECT entries FROM completed ORDER BY number"):
        rows = [
            (packed[at : at + KEY_BYTES], packed[at + KEY_BYTES : at + ENTRY_BYTES])
            for at in range(0, len(packed), ENTRY_BYTES)
        ]
        db.executemany("INSERT OR REPLACE INTO done VALUES (?, ?)", rows)
    db.execute("DELETE FROM completed")


def _unpack_begun(db: sqlite3.Connection, *, in_hand_only: bool) -> None:
    """What was in hand isn't done any more, if it ever was."""
    for (packed,) in db.execute("SELECT paths FROM intended WHERE in_hand >= ?", (in_hand_only,)):
        keys = [(packed[at : at + KEY_BYTES],) for at in range(0, len(packed), KEY_BYTES)]
        db.executemany("INSERT OR REPLACE INTO begun VALUES (?)", keys)
        db.executemany("DELETE FROM done WHERE path = ?", keys)
    db.execute("DELETE FROM intended WHERE in_hand >= ?", (in_hand_only,))


def _fact(db: sqlite3.Connection, name: str, value: str) -> str:
    """The value kept; this one where there is none."""
    db.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, value))
    return str(db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0])


def sweep_passing(state_dir: Path) -> None:
    """Remove those that nobody goes on with and that a crash of the agent left. Call before any restore begins."""
    for path in (state_dir / FOLDER).glob(f"{PASSING}*"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("what a drill left can't be removed", path=str(path), error=error.strerror)


def _database(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        for table in _TABLES:
            db.execute(table)
        db.commit()
        sync_folder(path.parent)
    except BaseException:
        db.close()
        raise
    return db


def _locked(path: Path) -> int:
    """A descriptor that holds the lock. Raises BlockingIOError where another restore has it."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, fd):
                return fd
        except BlockingIOError as error:
            os.close(fd)
            raise BlockingIOError(error.errno, "the same restore is under way already") from error
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # removed by whoever held it before


def _is_still(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def _remove_database(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _remove_old(folder: Path) -> None:
    """Restores that nobody has gone on with."""
    for lock_path in folder.glob("*.lock"):
        with suppress(OSError):
            if time.time() - lock_path.stat().st_mtime > KEPT_S:
                lock = _locked(lock_path)
                _remove_database(lock_path.with_suffix(".sqlite"))
                lock_path.unlink()
                os.close(lock)
