"""Removals that can be undone: what is put aside comes back, stays over restarts, and goes by itself in the end."""

import asyncio
import itertools
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from phoenix_core.catalog.errors import CatalogFull
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.policies import BackupPolicy, ContentRule, Retention, ServerGroup
from phoenix_core.domain.requests import BackupRequest, HoldRequest, PruneRequest, RestoreRequest
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import JobView
from phoenix_core.engine import node_patience
from phoenix_core.storage.errors import StorageUnreachable
from tests.engine.fake_agent import FakeAgent
from tests.engine.fake_clock import FakeClock
from tests.engine.rig import Rig
from tests.engine.test_annotations import lose_catalog, refused

DAY = 86400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))  # certificates that are made now must be valid now


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def backed_up(rig: Rig) -> str:
    done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return done.snapshot_id


async def put_aside(rig: Rig, snapshot: str) -> JobView:
    done = await rig.ended((await rig.client.remove_snapshot(snapshot, typed=snapshot[:12])).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return done


async def ids(rig: Rig, *, removed: bool = False) -> list[str]:
    return [each.id for each in await rig.client.snapshots(removed=removed)]


async def what_is_due(rig: Rig) -> list[JobView]:
    """Have the scheduler look; the final removals that it has begun, once they are over."""
    assert rig.core is not None
    await rig.core.do_what_is_due()
    jobs = [job for job in await rig.client.jobs(kind=JobKind.SNAPSHOT_REMOVE) if job.requested_by != _operator()]
    return [await rig.ended(job.id) for job in jobs]


def _operator() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


async def stored(rig: Rig) -> list[str]:
    return list(await asyncio.to_thread(rig.node().snapshots))


async def test_a_removed_snapshot_is_no_restore_point_and_comes_back_whole(rig: Rig, agent: FakeAgent) -> None:
    snapshot = await backed_up(rig)
    done = await put_aside(rig, snapshot)
    assert done.result["undo_days"] == 7
    assert (await ids(rig), await ids(rig, removed=True)) == ([], [snapshot])
    with pytest.raises(RemoteError) as error:
        await rig.client.restore(RestoreRequest(server="web1", snapshot=snapshot))
    assert error.value.view().code == "snapshot_removed"
    assert f"phoenix snapshot undelete {snapshot[:12]}" in error.value.what_to_do
    (aside,) = await rig.client.snapshots(removed=True)
    assert aside.removed_at is not None
    assert aside.undo_until is not None
    assert abs(aside.undo_until - aside.removed_at - timedelta(days=7)) < timedelta(minutes=1)
    pruned = await rig.ended((await rig.client.prune(PruneRequest(execute=True))).id)
    assert (pruned.state, pruned.result["deleted_packs"]) == (JobState.SUCCESSFUL, 0)
    assert (await rig.client.undelete_snapshot(snapshot)).removed_at is None
    assert (await ids(rig), await ids(rig, removed=True)) == ([snapshot], [])
    restored = await rig.ended((await rig.client.restore(RestoreRequest(server="web1", snapshot=snapshot))).id)
    assert restored.state is JobState.SUCCESSFUL, restored.error
    assert agent.restored == agent.files


async def test_it_goes_by_itself_once_the_undo_period_is_over(rig: Rig, agent: FakeAgent, clock: FakeClock) -> None:
    first, second = await backed_up(rig), await backed_up(rig)
    await put_aside(rig, first)
    clock.move(7 * DAY - 60)
    assert await what_is_due(rig) == []
    assert await ids(rig, removed=True) == [first]
    clock.move(61)
    (done,) = await what_is_due(rig)
    assert (done.state, done.result["removed"]) == (JobState.SUCCESSFUL, 1)
    assert (await ids(rig), await ids(rig, removed=True), await stored(rig)) == ([second], [], [second])
    assert await refused(rig.client.undelete_snapshot(first)) == "not_found"


async def test_a_clock_that_jumps_thirty_days_either_way_removes_nothing_too_soon(
    rig: Rig, agent: FakeAgent, clock: FakeClock
) -> None:
    snapshot = await backed_up(rig)
    await put_aside(rig, snapshot)
    clock.at += timedelta(days=30)
    assert await what_is_due(rig) == []
    await rig.restart()  # a day counts of the time that the core was off, at most
    clock.move(5 * DAY)
    assert await what_is_due(rig) == []
    clock.at -= timedelta(days=60)
    await rig.restart()
    assert await what_is_due(rig) == []
    assert await ids(rig, removed=True) == [snapshot]
    assert (await rig.client.undelete_snapshot(snapshot)).id == snapshot


async def test_an_undo_period_outlives_the_loss_of_the_catalog_in_full(
    rig: Rig, agent: FakeAgent, clock: FakeClock
) -> None:
    snapshot, kept = await backed_up(rig), await backed_up(rig)
    await put_aside(rig, snapshot)
    clock.move(6 * DAY)
    await lose_catalog(rig)
    assert (await ids(rig), await ids(rig, removed=True)) == ([kept], [snapshot])
    clock.move(6 * DAY)
    assert await what_is_due(rig) == []
    clock.move(1 * DAY)
    assert [done.state for done in await what_is_due(rig)] == [JobState.SUCCESSFUL]
    assert await stored(rig) == [kept]


async def test_the_plan_of_a_prune_shows_what_waits_to_be_undone(rig: Rig, agent: FakeAgent) -> None:
    agent.files = {"/srv/kept": os.urandom(200_000), "/srv/old": os.urandom(3_000_000)}
    old = await backed_up(rig)
    agent.files = {"/srv/kept": agent.files["/srv/kept"]}
    await backed_up(rig)
    await put_aside(rig, old)
    plan = await rig.ended((await rig.client.prune()).id)
    assert (plan.result["waiting_snapshots"], plan.result["unused_packs"]) == (1, 0)
    assert 2_500_000 < int(plan.result["waiting_bytes"]) < 3_500_000
    await rig.client.undelete_snapshot(old)
    again = await rig.ended((await rig.client.prune()).id)
    assert (again.result["waiting_snapshots"], again.result["waiting_bytes"]) == (0, 0)


async def test_every_removal_wants_the_id_typed(rig: Rig, agent: FakeAgent) -> None:
    snapshot, kept = await backed_up(rig), await backed_up(rig)
    for typed, at_once in itertools.product(("", snapshot[:11], kept[:12], "yes"), (False, True)):
        with pytest.raises(RemoteError, match=f"wants {snapshot[:12]} typed; this is {typed or 'nothing'}") as error:
            await rig.client.remove_snapshot(snapshot, at_once=at_once, typed=typed)
        assert error.value.view().code == "usage"
    assert await rig.client.jobs(kind=JobKind.SNAPSHOT_REMOVE) == []
    await put_aside(rig, snapshot)
    assert (await rig.remove(snapshot)).state is JobState.SUCCESSFUL  # of one that is put aside already too
    assert (await ids(rig, removed=True), await stored(rig)) == ([], [kept])


async def test_without_an_undo_period_a_removal_is_final(rig: Rig, agent: FakeAgent) -> None:
    await rig.client.set_setting("snapshots.undo_days", "0")
    snapshot, kept = await backed_up(rig), await backed_up(rig)
    await put_aside(rig, snapshot)
    assert (await ids(rig, removed=True), await stored(rig)) == ([], [kept])


async def test_retention_puts_aside_and_keeps_what_is_held(rig: Rig, agent: FakeAgent) -> None:
    await rig.client.put_policy("p", BackupPolicy(name="p", retention=Retention(last=1)))
    await rig.client.put_rule("r", ContentRule(name="r", paths=("/srv",)))
    await rig.client.put_group("g", ServerGroup(name="g", policy="p", rules=("r",), servers=("web1",)))
    held, old, new = [await backed_up(rig) for _ in range(3)]
    await rig.client.hold_snapshot(held, HoldRequest(reason="audit"))
    plan = {verdict.snapshot_id: verdict.reasons for verdict in await rig.client.retention_of("p")}
    assert plan == {held: ("held",), old: (), new: ("newest", "last 1")}
    done = await rig.ended((await rig.client.apply_retention()).id)
    assert (done.result["removed"], await ids(rig)) == (1, [new, held])
    (aside,) = await rig.client.snapshots(removed=True)
    assert (aside.id, aside.removed_by) == (old, "retention")


async def test_what_was_brought_back_and_removed_again_has_a_new_period(
    rig: Rig, agent: FakeAgent, clock: FakeClock
) -> None:
    snapshot = await backed_up(rig)
    await put_aside(rig, snapshot)
    clock.move(5 * DAY)
    await rig.client.undelete_snapshot(snapshot)
    await put_aside(rig, snapshot)
    clock.move(5 * DAY)
    assert await what_is_due(rig) == []
    assert await ids(rig, removed=True) == [snapshot]


async def test_what_the_catalog_had_no_space_for_is_as_the_records_say_once_it_has(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = await backed_up(rig)
    await put_aside(rig, snapshot)
    assert rig.core is not None

    async def full(*_: object) -> None:
        raise CatalogFull(path="catalog.sqlite")

    with monkeypatch.context() as without_space:
        without_space.setattr(rig.core._parts.snapshots, "put", full)
        assert await refused(rig.client.undelete_snapshot(snapshot)) == "catalog_full"
        assert await ids(rig, removed=True) == [snapshot]
    assert (await ids(rig), await ids(rig, removed=True)) == ([snapshot], [])


@pytest.mark.parametrize("call", ["append_record", "delete_snapshot"])
async def test_a_core_that_ends_amid_a_removal_finds_it_as_the_records_say(
    rig: Rig, agent: FakeAgent, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The record of the final removal is written, or of the first one, and nothing of what comes after."""
    monkeypatch.setattr(node_patience, "PATIENCE_S", 0)
    snapshot, kept = await backed_up(rig), await backed_up(rig)
    node = rig.node()
    inner = getattr(node, call)

    def dying(*arguments: Any) -> None:
        if call == "append_record":
            inner(*arguments)
        raise StorageUnreachable(place="nas", detail="the connection was reset")

    if call == "delete_snapshot":
        await put_aside(rig, snapshot)
        clock.move(7 * DAY)
    records = node.records

    def dead_once_written(after: int = 0) -> Any:
        if len(records()) > 2:
            raise StorageUnreachable(place="nas", detail="the connection was reset")
        return records(after)

    with monkeypatch.context() as breaking:
        breaking.setattr(node, call, dying)
        if call == "append_record":
            breaking.setattr(node, "records", dead_once_written)
            failed = await rig.ended((await rig.client.remove_snapshot(snapshot, typed=snapshot[:12])).id)
            assert failed.state is JobState.FAILED
        else:
            assert [job.state for job in await what_is_due(rig)] == [JobState.FAILED]
        await rig.stop()
    await rig.start()
    assert await ids(rig) == [kept]
    if call == "append_record":
        assert await ids(rig, removed=True) == [snapshot]
        assert (await rig.client.undelete_snapshot(snapshot)).removed_at is None
    else:
        assert (await ids(rig, removed=True), await stored(rig)) == ([], [kept])
