"""A node that is killed at any step has lost nothing that it acknowledged, and shows nothing half-done."""

import subprocess
import sys
from pathlib import Path

import pytest

from phoenix_core.domain.ids import PackId
from phoenix_core.vault.packinfo import PackState
from phoenix_core.vault.packreader import read_tail
from phoenix_core.vault.vaultkey import VaultKey
from tests.storage.killed_node import KEY, STEPS, VAULT_ID
from tests.storage.rig import Rig, ids_of, some_chunks


@pytest.mark.parametrize("step", STEPS)
def test_killed_at(step: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.storage.killed_node", str(tmp_path), step],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    said = [line.split() for line in done.stdout.splitlines()]
    assert said[-1][0] == STEPS[step]
    rig = Rig(tmp_path, key=VaultKey.from_bytes(KEY), vault_id=VAULT_ID)

    assert list((tmp_path / "vault" / ".incoming").iterdir()) == []
    condemned = {name for line in said if line[0] == "condemned" for name in line[1:]}
    acknowledged = {line[1] for line in said if line[0] == "stored"}
    for name in acknowledged - condemned:
        pack_id = PackId(bytes.fromhex(name))
        info = rig.node.pack_info(pack_id)
        assert info is not None
        assert info.state is PackState.USABLE
        with rig.node.open_pack(pack_id) as opened:
            tail = read_tail(opened, info.bytes, rig.keys.index_key)
        for block in tail.blocks:
            for chunk, _, _ in block.chunks():
                assert rig.node.locate([chunk])[0] is not None
    assert not [info for info in rig.node.packs() if info.state is PackState.LOST], "a deletion is no loss"
    for info in rig.node.packs():  # what is usable is there, whole
        if info.state is PackState.USABLE:
            with rig.node.open_pack(PackId(info.pack_id)) as opened:
                assert opened.length == info.bytes
    staged = {line[1] for line in said if line[0] == "staged"}
    assert staged <= set(rig.node.snapshots())
    assert [rig.node.read_snapshot(name) for name in rig.node.snapshots()] in ([], [b"sealed"])
    if ["recorded"] in said:
        assert [number for number, _ in rig.node.records()] == [1]
    for sequence, record in rig.node.records():
        assert (sequence, len(record) > 64) == (1, True)

    jobs = rig.node.job_node(rig.job().token)  # and it goes on working
    again = rig.put(jobs, some_chunks(2, seed=200))
    assert jobs.present(ids_of(again)) == [True, True]
    assert rig.node.rebuild_index().unreadable == ()
    assert jobs.present(ids_of(again)) == [True, True]
    rig.node.close()
