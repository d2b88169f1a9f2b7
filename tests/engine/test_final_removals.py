"""Removals become final by themselves only where nothing is lost by it."""

import asyncio
from datetime import UTC, datetime

import pytest

from phoenix_core.domain.ids import PackId, SnapshotId
from phoenix_core.domain.requests import VerifyRequest
from phoenix_core.domain.states import JobState, VerifyDepth
from phoenix_core.domain.views import FindingView
from phoenix_core.storage.node_api import PackState
from phoenix_core.vault.annotation import Annotation, Hold
from tests.engine.fake_agent import FakeAgent
from tests.engine.fake_clock import FakeClock
from tests.engine.rig import Rig
from tests.engine.test_undo import DAY, backed_up, ids, put_aside, stored, what_is_due
from tests.engine.test_vault_jobs import break_pack, flip, path_of, proved


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))  # certificates that are made now must be valid now


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def removals(rig: Rig) -> list[FindingView]:
    return [each for each in await rig.client.doctor() if each.subject == "removals"]


async def test_the_last_good_restore_point_does_not_go_while_the_newer_one_is_lost(
    rig: Rig, agent: FakeAgent, clock: FakeClock
) -> None:
    good, newer = await backed_up(rig), await backed_up(rig)
    await put_aside(rig, good)
    await asyncio.to_thread((rig.data.vault / "snapshots" / newer).unlink)
    clock.move(7 * DAY + 1)
    skipped = await what_is_due(rig)
    if not skipped:  # the loss was seen before
        (stays,) = await removals(rig)
        assert "no other restore point" in stays.text
    for each in skipped:
        assert each.state is JobState.SKIPPED
        assert each.error is not None
        assert each.error.code == "removals_left_out"
        assert "1 snapshot lost" in each.error.message
    assert (await ids(rig, removed=True), await stored(rig)) == ([good], [good])
    assert (await rig.client.undelete_snapshot(good)).removed_at is None


async def test_the_only_one_of_what_it_holds_goes_by_an_operators_word_alone(
    rig: Rig, agent: FakeAgent, clock: FakeClock
) -> None:
    only = await backed_up(rig)
    await put_aside(rig, only)
    assert await removals(rig) == []
    clock.move(7 * DAY + 1)
    assert await what_is_due(rig) == []
    (finding,) = await removals(rig)
    assert finding.state == "warning"
    assert f"{only[:12]} of web1 stays" in finding.text
    assert "web1 has no other restore point of /srv that can be read" in finding.text
    assert f"`phoenix snapshot remove {only[:12]} --at-once`" in finding.hint
    assert await ids(rig, removed=True) == [only]
    assert (await rig.remove(only)).state is JobState.SUCCESSFUL
    assert (await ids(rig, removed=True), await removals(rig)) == ([], [])


async def test_once_there_is_another_it_goes(rig: Rig, agent: FakeAgent, clock: FakeClock) -> None:
    old = await backed_up(rig)
    await put_aside(rig, old)
    clock.move(7 * DAY + 1)
    assert await what_is_due(rig) == []
    new = await backed_up(rig)
    clock.move(3601)
    (done,) = await what_is_due(rig)
    assert (done.state, done.result["removed"], done.result["kept"]) == (JobState.SUCCESSFUL, 1, 0)
    assert (await ids(rig, removed=True), await stored(rig)) == ([], [new])


async def test_nothing_goes_for_good_by_itself_while_a_pack_is_damaged(
    rig: Rig, agent: FakeAgent, clock: FakeClock
) -> None:
    old, new = await backed_up(rig), await backed_up(rig)
    await proved(rig)
    await put_aside(rig, old)
    broken = await break_pack(rig, "data")
    await rig.ended((await rig.client.verify(VerifyRequest(depth=VerifyDepth.PACKS))).id)
    clock.move(7 * DAY + 1)
    (skipped,) = await what_is_due(rig)
    assert skipped.state is JobState.SKIPPED
    assert skipped.error is not None
    assert "1 pack damaged or lost" in skipped.error.message
    assert await ids(rig, removed=True) == [old]
    clock.move(3601)
    assert [each.id for each in await what_is_due(rig)] == [skipped.id]  # not each hour anew
    for job in await rig.client.jobs(state="active"):  # a verify that is due, too, which would find the damage again
        await rig.ended(job.id)
    await asyncio.to_thread(flip, path_of(rig, broken))  # as it was
    await asyncio.to_thread(rig.node().mark_damaged, PackId(broken.pack_id), PackState.USABLE)
    clock.move(DAY)
    done, _ = await what_is_due(rig)
    assert (done.state, await stored(rig)) == (JobState.SUCCESSFUL, [new])


async def test_one_that_is_held_keeps_no_other_from_going(rig: Rig, agent: FakeAgent, clock: FakeClock) -> None:
    """It was held after it had been removed, as an earlier release let happen."""
    held, other, _ = [await backed_up(rig) for _ in range(3)]
    await put_aside(rig, held)
    await put_aside(rig, other)
    assert rig.core is not None
    chain = rig.core._parts.seat.get().chain
    committed = chain.commit_of(SnapshotId(held))
    assert committed is not None
    await asyncio.to_thread(chain.annotate, committed, Annotation(hold=Hold("audit", "jane", 1)))
    clock.move(7 * DAY + 1)
    (done,) = await what_is_due(rig)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert (done.result["removed"], done.result["kept"]) == (1, 1)
    assert await ids(rig, removed=True) == [held]
    assert any("is held by jane" in line.text for line in await rig.client.job_log(done.id))
