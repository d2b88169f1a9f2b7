"""The rig that most tests of this package work with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.node.close()
