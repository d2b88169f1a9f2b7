"""What a stopped backup sent stays in the vault for the next one, as long as a prune on schedule is to leave it."""

import time

from phoenix_core.vault.prune import PrunePlan, execute, make_plan
from phoenix_core.vault.stopped import Stopped
from tests.vault_maintenance.rig import Files, Rig, content

DAY_NS = 86_400 * 10**9


def plan_of(rig: Rig, *, days_on: int = 0, spared: bool = True, dumps: frozenset[str] = frozenset()) -> PrunePlan:
    """Some days from now; what was sent is spared for fourteen."""
    stopped = Stopped(time.time_ns() + days_on * DAY_NS, 14 * DAY_NS, spared=spared, dumps=dumps)
    return make_plan(rig.node, rig.key, stopped=stopped)


def prune(rig: Rig, plan: PrunePlan) -> int:
    """How many packs it deletes."""
    return execute(rig.node, rig.key, plan, open_target=rig.target, wait_s=1, poll_s=0.01).deleted_packs


def stopped_backup(rig: Rig, files: Files, server: str = "sweb") -> int:
    """How many packs it stores before it is stopped."""
    running = rig.begin(server)
    running.store(files)
    rig.node.close_lease(running.lease)
    return len(running.packs)


def test_the_next_backup_finds_what_a_stopped_one_sent_though_it_was_pruned_between(rig: Rig) -> None:
    files = {f"f{number}": content(number) for number in range(5)}
    sent = stopped_backup(rig, files)
    assert sent == 2
    plan = plan_of(rig, days_on=13)
    assert (plan.unused, plan.rewrite, plan.stopped_packs, plan.freed_percent) == ((), (), sent, 0)
    assert (plan.kept_packs, plan.kept_bytes) == (sent, plan.stopped_bytes)
    assert prune(rig, plan) == 0
    again = rig.begin()
    snapshot = again.store(files)
    again.commit(snapshot)
    assert again.packs == []
    assert rig.restore(snapshot) == files


def test_it_goes_after_its_days_or_when_an_operator_prunes_and_the_plan_says_how_much_it_is(rig: Rig) -> None:
    sent = stopped_backup(rig, {"a": content(1)})
    late = plan_of(rig, days_on=15)
    assert (len(late.unused), late.stopped_packs, late.stopped_bytes) == (sent, 0, 0)
    plan = plan_of(rig, spared=False)
    assert (len(plan.unused), plan.stopped_packs, plan.stopped_bytes) == (sent, sent, plan.unused_bytes)
    assert prune(rig, plan) == sent


def test_what_is_older_than_the_newest_snapshot_of_its_server_was_sent_in_vain(rig: Rig) -> None:
    sent = stopped_backup(rig, {"a": content(1)})
    others = stopped_backup(rig, {"b": content(2)}, server="sdb")
    rig.time_ns = time.time_ns() + 1
    kept = rig.backup({"c": content(3)})
    plan = plan_of(rig)
    assert (len(plan.unused), plan.stopped_packs) == (sent, others)
    assert prune(rig, plan) == sent
    assert rig.restore(kept) == {"c": content(3)}


def test_a_dump_of_that_server_says_nothing_of_its_files(rig: Rig) -> None:
    sent = stopped_backup(rig, {"a": content(1)})
    rig.time_ns = time.time_ns() + 1
    dump = rig.backup({"orders": content(2)})
    assert plan_of(rig).stopped_packs == 0
    plan = plan_of(rig, dumps=frozenset({dump}))
    assert (len(plan.unused), plan.stopped_packs) == (0, sent)


def test_of_a_pack_that_another_server_s_snapshot_needs_in_part_the_rest_stays_too(rig: Rig) -> None:
    files = {f"f{number}": content(number, 400_000) for number in range(4)}
    stopped_backup(rig, files)
    rig.prove_all()
    kept = rig.backup({"f1": files["f1"]}, server="sdb")
    plan = plan_of(rig)
    assert (plan.unused, plan.rewrite) == ((), ())
    operators = plan_of(rig, spared=False)
    assert (len(operators.rewrite), operators.stopped_packs) == (1, plan.stopped_packs)
    prune(rig, plan)
    again = rig.begin()
    again.commit(again.store(files))
    assert again.packs == []
    assert rig.restore(kept) == {"f1": files["f1"]}
