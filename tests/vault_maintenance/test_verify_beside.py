"""Verify goes on beside prunes and removals: what goes meanwhile is no damage."""

from collections.abc import Callable
from typing import Any

from phoenix_core.domain.ids import PackId
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.vault.prune import execute, make_plan
from phoenix_core.vault.verify import verify_vault
from tests.vault_maintenance.rig import Rig, content


class Meanwhile:
    """The rig's node; once, just before a pack is opened, something else happens in the vault."""

    def __init__(self, rig: Rig, act: Callable[[], object]) -> None:
        self._rig = rig
        self._act = act
        self._done = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rig.node, name)

    def open_pack(self, pack_id: PackId) -> Any:
        if not self._done:
            self._done = True
            self._act()
        return self._rig.node.open_pack(pack_id)


def prune(rig: Rig) -> None:
    plan = make_plan(rig.node, rig.key)
    assert execute(rig.node, rig.key, plan, open_target=rig.target, wait_s=1).deleted_packs


def test_packs_that_a_prune_deletes_meanwhile_are_no_damage(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    gone = rig.backup({"b": content(2)})
    rig.prove_all()
    rig.remove(gone)
    report = verify_vault(Meanwhile(rig, lambda: prune(rig)), rig.key, VerifyDepth.CHUNKS)
    assert report.damages == ()


def test_a_snapshot_that_is_removed_meanwhile_is_no_damage(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    gone = rig.backup({"b": content(2)})

    def remove() -> None:
        rig.remove(gone)
        prune(rig)

    report = verify_vault(Meanwhile(rig, remove), rig.key, VerifyDepth.CHUNKS)
    assert report.damages == ()


def test_damage_of_the_others_is_told_all_the_same(rig: Rig) -> None:
    kept = rig.backup({"a": content(1)})
    (data,) = rig.pack_files("data")
    gone = rig.backup({"b": content(2)})
    data.unlink()
    report = verify_vault(Meanwhile(rig, lambda: rig.remove(gone)), rig.key, VerifyDepth.CHUNKS)
    (damage,) = report.damages
    assert damage.snapshots == (kept,)
    assert damage.files == (f"{kept[:12]}:/srv/a",)
    assert damage.file_count == 1


class StoredAndPruned(Meanwhile):
    """A backup stores packs just before they are listed, and ends without a commit; a prune deletes them at once."""

    def stored_packs(self) -> Any:
        if self._done:
            return self._rig.node.stored_packs()
        self._done = True
        running = self._rig.begin("stwo")
        running.store({"b": content(2)})
        found = list(self._rig.node.stored_packs())
        self._rig.node.close_lease(running.lease)
        prune(self._rig)
        return found


def test_packs_that_come_and_go_while_others_are_read_are_no_damage(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    report = verify_vault(StoredAndPruned(rig, lambda: None), rig.key, VerifyDepth.CHUNKS)
    assert report.damages == ()
