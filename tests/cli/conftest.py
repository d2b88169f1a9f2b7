"""A data directory with a vault, and one with a core that runs, shared by the tests of a file."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import Commands


@pytest.fixture
def commands(short_path: Path) -> Commands:
    """On a data directory that isn't there yet."""
    return Commands(short_path)


@pytest.fixture
def vault(commands: Commands) -> Commands:
    """On a data directory with a vault."""
    commands.make_vault()
    return commands


@pytest.fixture(scope="module")
def running() -> Iterator[Commands]:
    """On a data directory with a vault and a core that runs; server `web1` is enrolled, its agent away."""
    root = Path(tempfile.mkdtemp(prefix="px", dir="/tmp"))
    made = Commands(root)
    made.make_vault()
    core = made.start_core()
    try:
        token = made.json("server", "token", "--name", "web1")["token"]
        made.run("agent", "enroll", "-", stdin=token + "\n", code=0)
        yield made
    finally:
        core.terminate()
        core.communicate()
        shutil.rmtree(root, ignore_errors=True)
