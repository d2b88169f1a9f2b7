"""Fixtures of all tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder of the test's own with a short path: a Unix socket's address holds 107 bytes."""
    made = Path(tempfile.mkdtemp(prefix="px", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)
