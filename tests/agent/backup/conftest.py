"""A vault with a real node for each test, and a folder to back up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.vault_rig import VaultRig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[VaultRig]:
    made = VaultRig(tmp_path / "rig")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder
