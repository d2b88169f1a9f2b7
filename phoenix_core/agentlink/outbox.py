"""Reports that the core has not acknowledged yet, on the peer's disk: they outlive crashes and restarts of either end.

Numbers rise for ever, even over a lost outbox: a new one starts at the milliseconds since the epoch, so that the core,
which ignores numbers that it has seen, never mistakes a new report for an old one.
"""

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from phoenix_core.agentlink.errors import OutboxFailed
from phoenix_core.agentlink.frames import encode
from phoenix_core.agentlink.reports import BackupResult, JobCancelled, JobFailed, Report, ReportBody, RestoreResult
from phoenix_core.domain.clock import Clock
from phoenix_core.host.openfiles import CLOSED_AT_EXEC

_SCHEMA = """
CREATE TABLE IF NOT EXISTS report (
    number INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, last INTEGER NOT NULL, frame BLOB
)"""
LAST_REPORTS = (BackupResult, RestoreResult, JobFailed, JobCancelled)
"""Each job ends with exactly one of these."""
_DAMAGED_SUFFIX = ".damaged"

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Outbox:
    """Usable from any thread; each call blocks for the disk, `append` until the report is synced."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Raises OutboxFailed. A damaged file is set aside, so that the peer can start."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        try:
            self._connection = self._open()
        except (OSError, sqlite3.OperationalError) as error:
            raise OutboxFailed(path=path, detail=str(error)) from error
        except sqlite3.DatabaseError as error:
            log.exception("outbox damaged, a new one begins", path=str(path), detail=str(error))
            self._set_aside()
            self._connection = self._open()

    def append(self, job: str, body: ReportBody) -> int:
        """Keep a report and give its number; on return it is synced. Raises OutboxFailed, FrameTooLarge."""

        def insert(connection: sqlite3.Connection) -> int:
            with connection:
                last = isinstance(body, LAST_REPORTS)
                number = connection.execute("INSERT INTO report (job, last) VALUES (?, ?)", (job, last)).lastrowid
                assert number is not None
                frame = encode(Report(number=number, job=job, body=body))
                connection.execute("UPDATE report SET frame = ? WHERE number = ?", (frame, number))
            return number

        return self._do(insert)

    def after(self, number: int, limit: int) -> list[tuple[int, bytes]]:
        """The next reports by number, encoded as they go over the link. Raises OutboxFailed."""
        return self._do(
            lambda connection: connection.execute(
                "SELECT number, frame FROM report WHERE number > ? ORDER BY number LIMIT ?", (number, limit)
            ).fetchall()
        )

    def acknowledge(self, number: int) -> None:
        """Forget all up to and including this number. Raises OutboxFailed."""

        def delete(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("DELETE FROM report WHERE number <= ?", (number,))

        self._do(delete)

    def ended_jobs(self) -> list[str]:
        """Jobs whose last report waits here. Raises OutboxFailed."""
        return self._do(
            lambda connection: [row[0] for row in connection.execute("SELECT DISTINCT job FROM report WHERE last")]
        )

    def __len__(self) -> int:
        return self._do(lambda connection: int(connection.execute("SELECT COUNT(*) FROM report").fetchone()[0]))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _do(self, action: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                return action(self._connection)
            except sqlite3.Error as error:
                raise OutboxFailed(path=self._path, detail=str(error)) from error

    def _open(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | CLOSED_AT_EXEC, 0o600))
        connection = sqlite3.connect(self._path, check_same_thread=False, timeout=10)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")  # in WAL: a sync at each commit
            connection.execute(_SCHEMA)
            (check,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if check != "ok":
                raise sqlite3.DatabaseError(check)
            if connection.execute("SELECT COUNT(*) FROM sqlite_sequence WHERE name = 'report'").fetchone()[0] == 0:
                first = int(self._clock.now().timestamp() * 1000)
                with connection:
                    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('report', ?)", (first,))
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self) -> None:
        for suffix in ("-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        self._path.replace(f"{self._path}{_DAMAGED_SUFFIX}")
