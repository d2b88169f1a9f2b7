"""What a power cut can't undo: an object has its name, and every folder on the way to it, once the store says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.storage.durable import publish
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.objectstore import ObjectStore
from phoenix_core.storage.parts import current_folder
from phoenix_core.vault.environment import DATA_FILE, Environment
from tests.chaos.disk_log import Died, DiskLog
from tests.vault_maintenance.rig import Rig


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DiskLog]:
    made = DiskLog(tmp_path)
    with made.recording():
        yield made
        made.live_on()


def test_the_folders_above_a_new_vault_are_durable_too(log: DiskLog, tmp_path: Path) -> None:
    LocalStore(tmp_path / "new" / "vault").put("records/1", b"x")
    assert "new/vault/records/1" in log.durable_paths()


def test_a_folder_that_another_writer_just_made_is_synced_before_it_is_relied_on(log: DiskLog, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "vault")
    (tmp_path / "vault" / "packs").mkdir()
    store.put("packs/1", b"x")
    assert "vault/packs/1" in log.durable_paths()


def test_an_object_that_is_there_already_is_durable_before_that_is_said(log: DiskLog, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "vault")
    _dies_with_the_name_given(log, store)
    assert "vault/records/1" not in log.durable_paths()
    assert not store.put("records/1", b"x", if_absent=True)
    assert "vault/records/1" in log.durable_paths()


def test_so_it_is_where_the_file_system_has_no_hard_links(
    log: DiskLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "final").write_bytes(b"x")
    temporary = tmp_path / "temporary"
    temporary.write_bytes(b"x")
    monkeypatch.setattr(Path, "hardlink_to", _no_links)
    assert not publish(temporary, folder / "final", replace=False)
    assert any(change.name == "final" and change.durable_at <= log.now for change in log.changes)


def test_a_node_makes_durable_what_the_one_that_died_before_it_left(log: DiskLog, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    _dies_with_the_name_given(log, rig.node._state.store)
    log.release_all()
    rig.node = rig.open_node()
    assert "vault/records/1" in log.durable_paths()
    rig.close()


def test_a_new_index_keeps_its_names(log: DiskLog, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "index" / "current", create=True)
    environment.table("one")
    assert f"index/current/{DATA_FILE}" in log.durable_paths()
    environment.close()


def test_that_a_node_runs_is_known_after_a_power_cut(log: DiskLog, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert "index/node.lock" in log.durable_paths()
    rig.close()


def test_an_index_cut_off_in_its_first_moments_is_begun_anew_in_an_empty_vault(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.close()
    LocalStore(tmp_path / "vault").put("vault.json", rig.descriptor.encode())
    (current_folder(tmp_path / "index") / DATA_FILE).write_bytes(b"")
    rig.node = rig.open_node()
    assert rig.node.status().index_complete
    rig.backup({"a": b"x"})
    rig.close()


def test_an_index_that_is_lost_later_is_not(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.backup({"a": b"x"})
    rig.close()
    LocalStore(tmp_path / "vault").put("vault.json", rig.descriptor.encode())
    for pack in [*rig.pack_files("data"), *rig.pack_files("meta")]:
        pack.unlink()
    (current_folder(tmp_path / "index") / DATA_FILE).write_bytes(b"")
    rig.node = rig.open_node()
    assert not rig.node.status().index_complete
    rig.close()


def _dies_with_the_name_given(log: DiskLog, store: ObjectStore) -> None:
    """Between the object's link and the sync of its folder."""
    store.put("records/0", b"so that the folder is there")
    log.die_at_folder_sync = 1
    with pytest.raises(Died):
        store.put("records/1", b"x")
    log.live_on()


def _no_links(self: Path, other: Path) -> None:
    del self, other
    raise PermissionError(1, "no links")
