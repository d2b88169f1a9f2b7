"""A vault behind a storage node, for each test a new one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vault_maintenance.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()
