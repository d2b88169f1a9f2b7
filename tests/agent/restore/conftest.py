"""A vault with a source and a target, for each test a new one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.restore.rig import RestoreRig, restore_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[RestoreRig]:
    with restore_rig(tmp_path) as made:
        yield made
