"""Prune frees what no snapshot needs, and never a chunk that one does, whatever runs beside it."""

from collections.abc import Callable
from typing import Any

import pytest

from phoenix_core.domain.ids import PackId
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.vault.index_errors import IndexFull
from phoenix_core.vault.mark import MarkFailed
from phoenix_core.vault.packinfo import PackState
from phoenix_core.vault.prune import PrunePlan, PruneProgress, PruneResult, execute, make_plan
from phoenix_core.vault.verify import verify_vault
from tests.vault_maintenance.rig import Rig, content


def plan_of(rig: Rig) -> PrunePlan:
    return make_plan(rig.node, rig.key)


def run(rig: Rig, plan: PrunePlan | None = None, wait_s: float = 5) -> PruneResult:
    return execute(rig.node, rig.key, plan or plan_of(rig), open_target=rig.target, wait_s=wait_s, poll_s=0.01)


def test_nothing_goes_while_every_snapshot_is_there(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    plan = plan_of(rig)
    assert (plan.unused, plan.rewrite) == ((), ())
    assert run(rig).deleted_packs == 0


def test_the_packs_of_a_removed_snapshot_go(rig: Rig) -> None:
    gone = rig.backup({"a": content(1)})
    kept = rig.backup({"b": content(2)})
    rig.remove(gone)
    plan = plan_of(rig)
    assert len(plan.unused) == 2
    before = len(rig.pack_files("data")) + len(rig.pack_files("meta"))
    result = run(rig, plan)
    assert (result.deleted_packs, result.deleted_bytes) == (2, plan.unused_bytes)
    assert len(rig.pack_files("data")) + len(rig.pack_files("meta")) == before - 2
    assert rig.restore(kept) == {"b": content(2)}
    assert verify_vault(rig.node, rig.key, VerifyDepth.CHUNKS).ok


def test_a_plan_changes_nothing(rig: Rig) -> None:
    rig.remove(rig.backup({"a": content(1)}))
    packs = rig.pack_files("data")
    plan_of(rig)
    assert rig.pack_files("data") == packs


def test_a_mostly_unused_pack_is_rewritten(rig: Rig) -> None:
    files = {f"f{number}": content(number) for number in range(20)}
    first = rig.backup(files)
    second = rig.backup({"f3": content(3)}, parent=first)
    rig.remove(first)
    result = run(rig)
    assert result.rewritten_packs == 1
    assert rig.restore(second) == {"f3": content(3)}
    assert sum(path.stat().st_size for path in rig.pack_files("data")) < 100_000
    assert verify_vault(rig.node, rig.key, VerifyDepth.CHUNKS).ok
    assert run(rig).deleted_packs == 0


def test_a_proved_pack_that_was_rewritten_goes_with_the_same_prune(rig: Rig) -> None:
    """Ten times: which of two proved copies counts must not be left to the packs' names."""
    for seed in range(10):
        files = {f"f{number}": content(100 * seed + number) for number in range(5)}
        gone = rig.backup(files)
        kept = rig.backup({"f3": files["f3"]}, parent=gone)
        rig.remove(gone)
        rig.prove_all()
        old = set(rig.pack_files("data"))
        assert run(rig).rewritten_packs >= 1
        assert not old & set(rig.pack_files("data"))
        assert rig.restore(kept) == {"f3": files["f3"]}
        assert run(rig).deleted_packs == 0
        rig.remove(kept)


def test_a_second_copy_goes_only_where_a_proved_one_stays(rig: Rig) -> None:
    large = content(1, 300_000)
    one = rig.backup({"a": large}, server="sone")
    two = rig.backup({"a": large}, server="stwo")
    assert len(rig.pack_files("data")) == 2
    assert plan_of(rig).unused == ()
    rig.prove_all()
    assert len(plan_of(rig).unused) >= 1
    run(rig)
    assert len(rig.pack_files("data")) == 1
    assert rig.restore(one) == rig.restore(two) == {"a": large}


def test_of_what_servers_do_not_share_each_keeps_its_copy(rig: Rig) -> None:
    """A restore that an agent asks for finds it in no other server's packs."""
    for server in ("sone", "stwo"):
        rig.backup({"a": content(1)}, server=server)
    rig.prove_all()
    assert plan_of(rig).unused == ()


def test_what_a_running_backup_stored_is_kept(rig: Rig) -> None:
    running = rig.begin()
    staged = running.store({"a": content(1)})
    result = run(rig, wait_s=0)
    assert result.deleted_packs == 0
    running.commit(staged)
    assert rig.restore(staged) == {"a": content(1)}


def test_what_a_running_backup_was_told_is_there_is_kept(rig: Rig) -> None:
    rig.remove(rig.backup({"a": content(1)}))
    running = rig.begin()
    staged = running.store({"a": content(1), "b": content(2)})
    run(rig, wait_s=0)
    running.commit(staged)
    assert rig.restore(staged) == {"a": content(1), "b": content(2)}
    assert verify_vault(rig.node, rig.key, VerifyDepth.CHUNKS).ok


def test_a_backup_that_commits_between_plan_and_execution_keeps_its_chunks(rig: Rig) -> None:
    rig.remove(rig.backup({"a": content(1)}))
    plan = plan_of(rig)
    assert plan.unused
    snapshot = rig.backup({"a": content(1)})
    run(rig, plan)
    assert rig.restore(snapshot) == {"a": content(1)}


def test_a_backup_that_commits_during_the_mark_keeps_its_chunks(rig: Rig) -> None:
    rig.remove(rig.backup({"a": content(1)}))
    other = rig.backup({"z": content(9)})
    plan = plan_of(rig)
    committed: list[str] = []

    def meanwhile(progress: PruneProgress) -> None:
        if progress.phase == "mark" and not committed:
            committed.append(rig.backup({"a": content(1)}))

    execute(rig.node, rig.key, plan, open_target=rig.target, poll_s=0.01, progress=meanwhile)
    assert rig.restore(committed[0]) == {"a": content(1)}  # type: ignore[arg-type]
    assert rig.restore(other) == {"z": content(9)}


def test_after_phase_one_a_new_backup_stores_condemned_chunks_again(rig: Rig) -> None:
    rig.remove(rig.backup({"a": content(1)}))
    older = rig.begin(server="sother")
    started: list[str] = []

    def meanwhile(progress: PruneProgress) -> None:
        if progress.phase == "wait" and not started:
            started.append(rig.backup({"a": content(1)}))
            older.commit(older.store({"q": content(5)}))

    plan = plan_of(rig)
    result = execute(rig.node, rig.key, plan, open_target=rig.target, poll_s=0.01, progress=meanwhile)
    assert result.done
    assert result.deleted_packs == 2
    assert rig.restore(started[0]) == {"a": content(1)}  # type: ignore[arg-type]


def test_a_prune_that_waits_too_long_gives_up_and_nothing_is_condemned(rig: Rig) -> None:
    rig.remove(rig.backup({"a": content(1)}))
    running = rig.begin()
    result = run(rig, wait_s=0)
    assert (result.done, result.deleted_packs, result.waiting_for) == (False, 0, (running.job,))
    assert rig.node.status().condemned_packs == 0


def test_a_node_that_restarts_amid_a_prune_voids_it(rig: Rig) -> None:
    gone = rig.backup({"a": content(1)})
    rig.remove(gone)
    rig.begin()
    rig.node.condemn([info.pack_id for info in rig.node.packs()])  # type: ignore[misc]
    assert rig.node.status().condemned_packs == 2
    rig.restart_node()
    assert rig.node.status().condemned_packs == 0


def test_an_abandoned_staged_snapshot_goes_with_its_packs(rig: Rig) -> None:
    running = rig.begin()
    running.store({"a": content(1)})
    rig.node.close_lease(running.lease)
    plan = plan_of(rig)
    assert len(plan.abandoned) == 1
    assert run(rig, plan).deleted_packs == 2
    assert rig.node.snapshots() == []


def test_a_vault_with_an_unreadable_tree_is_not_pruned(rig: Rig) -> None:
    rig.backup({"a": content(1)})
    rig.pack_files("meta")[0].unlink()
    packs = rig.pack_files("data")
    with pytest.raises(MarkFailed):
        run(rig)
    assert rig.pack_files("data") == packs


def test_the_parent_of_a_running_backup_outlives_its_removal(rig: Rig) -> None:
    first = rig.backup({"a": content(1)})
    running = rig.begin(parent=first)
    rig.remove(first)
    run(rig, wait_s=0)
    assert rig.restore(first) == {"a": content(1)}
    staged = running.store({"a": content(1)})
    running.commit(staged)
    run(rig)
    assert rig.restore(staged) == {"a": content(1)}


class EndsAfterTheListing:
    """The rig's node; just after a prune listed the snapshots, something else happens in the vault."""

    def __init__(self, rig: Rig, act: Callable[[], object]) -> None:
        self._rig = rig
        self._act = act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rig.node, name)

    def leases(self) -> Any:
        found = self._rig.node.leases()
        self._act()
        return found


def test_a_removed_parent_that_goes_with_its_lease_holds_up_no_prune(rig: Rig) -> None:
    parent = rig.backup({"a": content(1)})
    running = rig.begin(parent=parent)
    rig.remove(parent)
    plan = make_plan(EndsAfterTheListing(rig, lambda: rig.node.close_lease(running.lease)), rig.key)
    assert plan.abandoned == ()
    assert plan.snapshots == 0


def test_what_was_damaged_or_lost_is_so_still_after_a_prune_gave_up(rig: Rig) -> None:
    rig.remove(rig.backup({"a": content(1)}))
    damaged, lost = [PackId(info.pack_id) for info in rig.node.packs()]
    rig.node.mark_damaged(damaged, PackState.DAMAGED)
    rig.node.mark_damaged(lost, PackState.LOST)
    rig.begin()
    assert not run(rig, wait_s=0).done
    states = {PackId(info.pack_id): info.state for info in rig.node.packs()}
    assert (states[damaged], states[lost]) == (PackState.DAMAGED, PackState.LOST)


def test_a_prune_takes_up_what_an_interrupted_one_condemned(rig: Rig) -> None:
    rig.remove(rig.backup({"a": content(1)}))
    rig.node.condemn([PackId(info.pack_id) for info in rig.node.packs()])
    assert run(rig).deleted_packs == 2


def test_a_lost_pack_that_is_put_back_is_kept(rig: Rig) -> None:
    kept = rig.backup({"a": content(1)})
    rig.prove_all()
    (data,) = rig.pack_files("data")
    away = rig.folder / "away"
    data.rename(away)
    assert not verify_vault(rig.node, rig.key, VerifyDepth.STRUCTURE).ok
    assert run(rig).deleted_packs == 0, "while it is away"
    assert rig.node.status().damaged_packs == 1
    away.rename(data)
    assert run(rig).deleted_packs == 0
    assert verify_vault(rig.node, rig.key, VerifyDepth.CHUNKS).ok
    assert rig.node.status().damaged_packs == 0
    assert rig.restore(kept) == {"a": content(1)}


def test_a_lost_pack_that_nothing_needs_goes(rig: Rig) -> None:
    gone = rig.backup({"a": content(1)})
    (data,) = rig.pack_files("data")
    data.unlink()
    verify_vault(rig.node, rig.key, VerifyDepth.STRUCTURE)
    rig.remove(gone)
    run(rig)
    assert rig.node.status().damaged_packs == 0
    assert verify_vault(rig.node, rig.key, VerifyDepth.CHUNKS).ok


def test_a_leftover_that_cannot_be_opened_holds_up_no_prune(rig: Rig) -> None:
    kept = rig.backup({"a": content(1)})
    running = rig.begin()
    running.node.stage_snapshot(b"no snapshot at all" * 10)
    rig.node.close_lease(running.lease)
    run(rig)
    assert rig.node.snapshots() == [kept]


def test_a_deletion_that_could_not_be_noted_leaves_no_pack_that_counts_as_present(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.backup({"a": content(1)})
    rig.remove(rig.backup({"b": content(2)}))
    parts = rig.node._state.parts
    assert parts is not None
    plan = plan_of(rig)
    with monkeypatch.context() as full:
        full.setattr(parts.index, "remove", once(parts.index.remove, IndexFull(folder=rig.folder)))
        with pytest.raises(IndexFull):
            run(rig, plan)
    again = rig.backup({"b": content(2)})
    assert rig.restore(again) == {"b": content(2)}
    assert verify_vault(rig.node, rig.key, VerifyDepth.CHUNKS).ok


def once(work: Callable[..., None], error: Exception) -> Callable[..., None]:
    """As `work`, but for the first time."""
    errors = [error]

    def fail_once(*arguments: object) -> None:
        if errors:
            raise errors.pop()
        work(*arguments)

    return fail_once
