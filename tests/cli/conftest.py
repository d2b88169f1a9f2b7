"""A data directory with a vault, and one with a core that runs, shared by the tests of a file."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.beside import Beside, commands_beside
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


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    """On a core in this process; the agent of server `web1` is a fake one, and connected."""
    root = Path(tempfile.mkdtemp(prefix="px", dir="/tmp"))
    try:
        with commands_beside(root) as made:
            made.do(made.rig.agent("web1"))
            yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)
