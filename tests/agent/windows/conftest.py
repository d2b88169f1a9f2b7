from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.windows.rig import WindowsRig, windows_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[WindowsRig]:
    with windows_rig(tmp_path) as made:
        yield made
