"""A core without a vault, for what it serves to servers without Phoenix; and the versions on such a server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from phoenix_core.rollout.bundle import BundleShelf
from phoenix_core.rollout.onserver.versions import Versions
from tests.engine.rig import Rig, running_rig


@pytest.fixture
async def core(short_path: Path) -> AsyncIterator[Rig]:
    async with running_rig(short_path, vault=False) as running:
        yield running


@pytest.fixture
def shelf(core: Rig) -> BundleShelf:
    return BundleShelf(core.data.bundle)


@pytest.fixture
def versions(short_path: Path) -> Versions:
    return Versions(str(short_path / "opt"))
