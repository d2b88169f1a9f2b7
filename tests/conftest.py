"""Fixtures of all tests."""

import gc
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web_app

from phoenix_core.catalog import database
from phoenix_core.catalog.migrate import migrate_file


def pytest_configure() -> None:
    """Nothing that whoever runs the tests has set for a Phoenix of their own, least of all where its data are."""
    for name in [name for name in os.environ if name.startswith("PHOENIX_") and not name.startswith("PHOENIX_TEST_")]:
        del os.environ[name]


def pytest_collection_finish() -> None:
    """What stays as long as the tests isn't looked through by each collection of garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _logs_end_with_their_test() -> Iterator[None]:
    """A core in the test's own process writes its log to a folder that is gone afterwards."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    for handler in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(handler)
        handler.close()


@pytest.fixture(autouse=True, scope="session")
def _catalogs_begin_as_copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A core in a test's own process begins with a copy of one empty catalog: the steps to this release's schema, which
    have tests of their own, take longer than most tests."""
    empty = tmp_path_factory.mktemp("catalog") / "catalog.sqlite"

    def migrated_file(path: Path) -> bool:
        if not empty.exists():
            begun = empty.with_name(str(threading.get_ident()))
            migrate_file(begun)
            begun.replace(empty)
        if path.parent.is_dir() and not path.exists():
            shutil.copy(empty, path)
        return migrate_file(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "migrate_file", migrated_file)
        yield


@pytest.fixture(autouse=True)
def _cores_go_with_their_test() -> Iterator[None]:
    """aiohttp keeps the applications of the last thousand handlers that it called, and with each a whole core."""
    yield
    web_app._cached_build_middleware.cache_clear()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder of the test's own with a short path: a Unix socket's address holds 107 bytes."""
    made = Path(tempfile.mkdtemp(prefix="px", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)
