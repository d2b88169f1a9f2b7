"""A vault with a real node, and file systems that snapshots are made of."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.sourcesnapshots.loops import mounted, unpack
from tests.agent.vault_rig import VaultRig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[VaultRig]:
    made = VaultRig(tmp_path / "rig")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def btrfs(tmp_path: Path) -> Iterator[Path]:
    """A Btrfs file system, empty."""
    with mounted(unpack("btrfs", tmp_path / "btrfs.img"), tmp_path / "btrfs") as folder:
        yield folder
