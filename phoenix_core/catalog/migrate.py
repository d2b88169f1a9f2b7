"""Brings a catalog's schema to this release's revision, in process."""

import errno
import os
from pathlib import Path

import sqlalchemy as sa

from phoenix_core.catalog import sqlite
from phoenix_core.catalog.errors import CatalogReadOnly, CatalogTooNew, CatalogUnusable

HEAD = "0010"
"""The newest revision; a test compares it with the migrations' own. Known here, a start needn't load alembic."""

FOLDER = Path(__file__).parent / "migrations"


def migrate_file(path: Path) -> bool:
    """Create or upgrade the schema of the SQLite file at `path`; True where something was done. Blocks.

    Raises CatalogTooNew, CatalogReadOnly, CatalogUnusable."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        if error.errno == errno.EROFS:
            raise CatalogReadOnly(path=path) from error
        raise CatalogUnusable(path=path, detail=error.strerror) from error
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
    sqlite.prepare(engine)
    try:
        with engine.begin() as connection:
            found = _revision(connection)
            if found == HEAD:
                return False
            if found is not None and found > HEAD:
                raise CatalogTooNew(path=path, revision=found)
            _upgrade(connection)
            return True
    except sa.exc.DatabaseError as error:
        raise CatalogUnusable(path=path, detail=error.orig) from error
    finally:
        engine.dispose()


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(sa.text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
