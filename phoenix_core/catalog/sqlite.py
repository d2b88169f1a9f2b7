"""How the catalog uses SQLite: write-ahead log, durable commits, foreign keys, explicit transactions."""

from typing import Any

import sqlalchemy as sa

BUSY_TIMEOUT_MS = 10_000


def prepare(engine: sa.Engine) -> None:
    """Set each new connection of the engine up."""
    sa.event.listen(engine, "connect", _configure)
    sa.event.listen(engine, "begin", _begin)


def _configure(connection: Any, _record: Any) -> None:
    # The driver must not open transactions on its own: `_begin` does, so that reads and DDL are inside them too.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
    ):
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")
