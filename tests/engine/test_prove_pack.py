"""The proof tells a sound pack from a damaged and from a lost one."""

from pathlib import Path

import pytest

from phoenix_core.domain.clock import SystemClock
from phoenix_core.engine.prove import prove_pack
from phoenix_core.engine.vault import OpenVault
from phoenix_core.storage.node_api import PackInfo
from phoenix_core.vault.packhead import HEAD_SIZE
from phoenix_core.vault.packinfo import PackState
from tests.vault_maintenance.rig import Rig, content, flip


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def the_data_pack(rig: Rig) -> PackInfo:
    return next(info for info in rig.node.packs() if info.kind == "data")


def test_a_sound_pack_is_proved(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    assert prove_pack(OpenVault(rig.descriptor, rig.key, rig.node, SystemClock()), the_data_pack(rig))
    assert the_data_pack(rig).proved
    rig.close()


@pytest.mark.parametrize("offset", [HEAD_SIZE + 9, 40, -30])
def test_a_changed_pack_is_marked_damaged(rig: Rig, offset: int) -> None:
    rig.backup({"a": content(1)})
    path = rig.pack_files("data")[0]
    flip(path, offset if offset > 0 else path.stat().st_size + offset)
    assert not prove_pack(OpenVault(rig.descriptor, rig.key, rig.node, SystemClock()), the_data_pack(rig))
    assert the_data_pack(rig).state is PackState.DAMAGED
    rig.close()


def test_a_pack_that_is_gone_is_marked_lost_and_stored_anew_by_the_next_backup(rig: Rig) -> None:
    first = rig.backup({"a": content(1)})
    rig.pack_files("data")[0].unlink()
    assert not prove_pack(OpenVault(rig.descriptor, rig.key, rig.node, SystemClock()), the_data_pack(rig))
    assert the_data_pack(rig).state is PackState.LOST
    rig.backup({"a": content(1)})
    assert rig.restore(first) == {"a": content(1)}
    rig.close()
