"""A full disk refuses what is new and keeps what is there."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.storage.errors import StorageFull
from phoenix_core.storage.local import LocalStore
from phoenix_core.vault.packwriter import FinishedPack
from tests.storage.faulty import FaultyStore
from tests.storage.rig import Rig, ids_of, some_chunks


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("step", ["write", "sync"])
def test_a_disk_that_fills_up_under_a_pack_leaves_no_trace_of_it(tmp_path: Path, step: str) -> None:
    store = FaultyStore(LocalStore(tmp_path / "vault"))
    rig = Rig(tmp_path, store=store)
    jobs = rig.node.job_node(rig.job().token)
    kept = rig.put(jobs, some_chunks(2, seed=1))
    before = files(tmp_path / "vault")
    with rig.pack(some_chunks(2, seed=2)) as pack:
        store.faults.fail(step, errno.ENOSPC)
        with pytest.raises(StorageFull) as raised:
            jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        assert raised.value.retryable
        assert "prune" in raised.value.what_to_do
        assert files(tmp_path / "vault") == before
        assert jobs.present(ids_of(pack)) == [False, False]
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)  # room was made
        assert jobs.present([*ids_of(pack), *ids_of(kept)]) == [True] * 4
    rig.node.close()


def test_the_reserve_is_kept_for_records_and_prune(tmp_path: Path) -> None:
    store = FaultyStore(LocalStore(tmp_path / "vault"))
    rig = Rig(tmp_path, store=store)
    jobs = rig.node.job_node(rig.job().token)
    store.faults.free_bytes = 1000
    with rig.pack(some_chunks(2)) as pack, pytest.raises(StorageFull, match="reserve"):
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
    assert jobs.stage_snapshot(b"sealed")
    rig.node.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root; the fault double above stands in for it")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("index_too", [False, True])
def test_a_really_full_disk(small_disk: Path, tmp_path: Path, index_too: bool) -> None:
    rig = Rig(small_disk if index_too else tmp_path, store=LocalStore(small_disk / "vault"))
    jobs = rig.node.job_node(rig.job().token)
    stored: list[FinishedPack] = []

    def fill() -> None:
        for _ in range(100):
            stored.append(rig.put(jobs, [os.urandom(400_000)]))

    with pytest.raises(StorageFull):
        fill()
    assert stored
    assert all(all(jobs.present(ids_of(pack))) for pack in stored)
    assert {pack.pack_id for pack in stored} == {pack for pack, _ in rig.node.stored_packs()}
    assert list((small_disk / "vault" / ".incoming").iterdir()) == []
    rig.restart()
    assert rig.node.status().packs == len(stored)
    rig.node.close()


def test_a_node_that_stops_on_a_full_disk_lets_go_of_its_vault(tmp_path: Path) -> None:
    store = FaultyStore(LocalStore(tmp_path / "vault"))
    rig = Rig(tmp_path, store=store)
    jobs = rig.node.job_node(rig.job().token)
    kept = rig.put(jobs, some_chunks(2))
    store.faults.fail("put", errno.ENOSPC)
    rig.node.close()
    rig.store = None
    rig.start()
    assert rig.node.status().packs == 1
    assert rig.node.pack_info(kept.pack_id) is not None
    rig.node.close()
