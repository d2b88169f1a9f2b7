"""One node owns a vault; others are refused, unless they are told to take it over."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from phoenix_core.host.processid import this_process
from phoenix_core.storage.errors import NodeRunning, OwnershipLost, VaultMismatch, VaultOwnedElsewhere
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.node import StorageNode
from phoenix_core.storage.owner import Owner, Ownership
from tests.storage.rig import HandClock, Rig, some_chunks


def owner_of(rig: Rig) -> Owner:
    return msgspec.json.decode((rig.folder / "vault" / "owner").read_bytes(), type=Owner)


def second_node(rig: Rig, *, index: str = "second-index", take_over: bool = False) -> StorageNode:
    return StorageNode(
        LocalStore(rig.folder / "vault"),
        rig.folder / index,
        rig.facts,
        {("default", 1): rig.keys.index_key},
        rig.clock,
        take_over=take_over,
    )


def test_a_second_node_on_the_vault_is_refused_while_the_first_lives(rig: Rig) -> None:
    with pytest.raises(VaultOwnedElsewhere) as raised:
        second_node(rig)
    assert "--take-over" in raised.value.what_to_do
    rig.put(rig.node.job_node(rig.job().token), some_chunks(1))


def test_a_second_node_on_the_same_index_is_refused_even_with_take_over(rig: Rig) -> None:
    for take_over in (False, True):
        with pytest.raises(NodeRunning):
            second_node(rig, index="index", take_over=take_over)


def test_each_owner_has_a_higher_epoch(rig: Rig) -> None:
    first = owner_of(rig)
    rig.restart()
    second = owner_of(rig)
    assert second.epoch == first.epoch + 1
    assert not second.released
    rig.node.close()
    assert owner_of(rig).released
    rig.start()


def test_after_a_take_over_the_first_node_writes_no_more(rig: Rig) -> None:
    pack = rig.put(rig.node.job_node(rig.job().token), some_chunks(1))
    snapshot = rig.node.job_node(rig.job().token).stage_snapshot(b"sealed")
    other = second_node(rig, take_over=True)
    for call in (
        lambda: rig.node.job_node(rig.job().token).stage_snapshot(b"late"),
        lambda: rig.node.append_record(1, b"record"),
        lambda: rig.node.delete_snapshot(snapshot),
        lambda: rig.node.condemn([pack.pack_id]),
    ):
        with pytest.raises(OwnershipLost):
            call()
    other.rebuild_index()
    assert other.read_snapshot(snapshot) == b"sealed"
    other.close()
    rig.node.close()
    assert owner_of(rig).released  # the first node's end doesn't take the vault from the second's successor
    rig.start()


def test_a_node_that_was_killed_on_this_host_is_replaced_without_asking(rig: Rig) -> None:
    rig.node.close()
    killed = f"""
import os, sys
from pathlib import Path
from phoenix_core.domain.clock import SystemClock
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.owner import Ownership
Ownership(LocalStore(Path({str(rig.folder / "vault")!r})), SystemClock())
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", killed], check=False)
    assert not owner_of(rig).released
    rig.start()


class Remote(LocalStore):
    """A store that can't tell who else is there, as on a network."""

    def sole_user(self) -> bool | None:
        return None


def written(folder: Path, **changes: object) -> None:
    """The owner object of a node that was not stopped in order."""
    owner = Owner(1, "gone", "elsewhere", this_process(), HandClock().now())
    process = msgspec.structs.replace(owner.process, **changes)
    Remote(folder).put("owner", msgspec.json.encode(msgspec.structs.replace(owner, process=process)))


@pytest.mark.parametrize("elsewhere", [{"machine": "another"}, {"machine": ""}, {}])
def test_a_node_that_may_still_run_has_to_be_taken_over(tmp_path: Path, elsewhere: dict[str, object]) -> None:
    written(tmp_path, **elsewhere)
    with pytest.raises(VaultOwnedElsewhere):
        Ownership(Remote(tmp_path), HandClock())
    taken = Ownership(Remote(tmp_path), HandClock(), take_over=True)
    assert taken.epoch == 2
    taken.check()
    taken.release()
    assert Ownership(Remote(tmp_path), HandClock()).epoch == 3


@pytest.mark.parametrize("gone", [{"boot": "before"}, {"pid": 1 << 30}, {"started": "7"}])
def test_a_node_whose_process_is_certainly_gone_is_replaced(tmp_path: Path, gone: dict[str, object]) -> None:
    written(tmp_path, **gone)
    if this_process().machine:
        assert Ownership(Remote(tmp_path), HandClock()).epoch == 2
    else:
        with pytest.raises(VaultOwnedElsewhere):
            Ownership(Remote(tmp_path), HandClock())


def test_a_damaged_owner_object_counts_as_an_unknown_owner(tmp_path: Path) -> None:
    Remote(tmp_path).put("owner", b"rubbish")
    with pytest.raises(VaultOwnedElsewhere, match="unknown host"):
        Ownership(Remote(tmp_path), HandClock())
    assert Ownership(Remote(tmp_path), HandClock(), take_over=True).epoch == 1


def test_a_folder_with_another_vault_is_refused(rig: Rig) -> None:
    rig.node.close()
    LocalStore(rig.folder / "vault").put("vault.json", b'{"vault_id": "' + b"ef" * 16 + b'"}')
    with pytest.raises(VaultMismatch, match="efef"):
        rig.start()
    (rig.folder / "vault" / "vault.json").unlink()
    rig.start()


def test_a_flipped_bit_of_the_owner_object_is_told_of(rig: Rig) -> None:
    """Not even one in a field's name is passed over, where the field's default is what it was."""
    path = rig.folder / "vault" / "owner"
    whole = path.read_bytes()
    ownership = rig.node._state.owner
    assert ownership.problem() == ""
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert ownership.problem(), bytes(flipped[bit // 8 - 20 : bit // 8 + 20])
    path.write_bytes(whole)
