"""Retention keeps the newest restore point whose data is whole, whatever newer one was hit by damage."""

import asyncio
import os

import pytest

from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.policies import BackupPolicy, ContentRule, Retention, ServerGroup
from phoenix_core.domain.requests import VerifyRequest
from phoenix_core.domain.states import JobState, VerifyDepth
from phoenix_core.engine.vault import OpenVault
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig
from tests.engine.test_vault_jobs import backed_up, flip, packs, path_of, proved


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def backed_up_anew(rig: Rig, agent: FakeAgent) -> str:
    agent.files = {"/srv/file": os.urandom(300_000)}
    return (await backed_up(rig)).snapshot_id


async def keep_one(rig: Rig) -> None:
    await rig.client.put_policy("p", BackupPolicy(name="p", retention=Retention(last=1)))
    await rig.client.put_rule("r", ContentRule(name="r", paths=("/srv",)))
    await rig.client.put_group("g", ServerGroup(name="g", policy="p", rules=("r",), servers=("web1",)))


async def test_a_damaged_snapshot_stands_in_for_no_whole_one(rig: Rig, agent: FakeAgent) -> None:
    await keep_one(rig)
    oldest, whole = [await backed_up_anew(rig, agent) for _ in range(2)]
    before = {pack.pack_id for pack in await packs(rig)}
    newest = await backed_up_anew(rig, agent)
    await proved(rig)
    (broken,) = [pack for pack in await packs(rig) if pack.kind == "data" and pack.pack_id not in before]
    flip(path_of(rig, broken))
    verify = await rig.ended((await rig.client.verify(VerifyRequest(depth=VerifyDepth.PACKS))).id)
    assert verify.state is JobState.FAILED
    plan = {verdict.snapshot_id: verdict.reasons for verdict in await rig.client.retention_of("p")}
    assert plan == {oldest: (), whole: ("newest", "last 1"), newest: ("damaged",)}
    done = await rig.ended((await rig.client.apply_retention()).id)
    assert (done.state, done.result["removed"]) == (JobState.SUCCESSFUL, 1)
    assert {each.id for each in await rig.client.snapshots()} == {whole, newest}


async def test_without_an_undo_period_nothing_goes_while_something_is_lost(rig: Rig, agent: FakeAgent) -> None:
    await keep_one(rig)
    await rig.client.set_setting("snapshots.undo_days", "0")
    made = [await backed_up_anew(rig, agent) for _ in range(3)]
    await asyncio.to_thread((rig.data.vault / "snapshots" / made[1]).unlink)
    done = await rig.ended((await rig.client.apply_retention()).id)
    assert (done.state, done.error and done.error.code) == (JobState.SKIPPED, "removals_left_out")
    assert {each.id for each in await rig.client.snapshots()} == set(made)


async def test_a_loss_that_shows_meanwhile_stops_what_would_go_for_good(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep_one(rig)
    await rig.client.set_setting("snapshots.undo_days", "0")
    made = [await backed_up_anew(rig, agent) for _ in range(4)]
    assert rig.core is not None
    parts = rig.core._parts
    remove = parts.removals.set_aside
    gone: list[str] = []

    async def then_the_newest_is_lost(vault: OpenVault, snapshot: SnapshotId, who: str, undo_s: int) -> None:
        await remove(vault, snapshot, who, undo_s)
        gone.append(snapshot)
        await asyncio.to_thread((rig.data.vault / "snapshots" / made[3]).unlink)
        await parts.lost.look_to_the_end()

    monkeypatch.setattr(parts.removals, "set_aside", then_the_newest_is_lost)
    done = await rig.ended((await rig.client.apply_retention()).id)
    assert done.error is not None
    assert done.error.code == "removals_left_out"
    assert len(gone) == 1
    assert (done.state, done.result) == (JobState.SUCCESSFUL_WITH_ERRORS, {"kept": 3, "removed": 1})
    assert {each.id for each in await rig.client.snapshots()} == set(made) - set(gone)


async def test_who_wants_to_be_able_to_undo_is_heard_until_the_last_moment(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep_one(rig)
    await rig.client.set_setting("snapshots.undo_days", "0")
    old, new = [await backed_up_anew(rig, agent) for _ in range(2)]
    assert rig.core is not None
    expiry = rig.core._parts.expiry
    check, looks = expiry.check_in_order, 0

    async def while_it_is_looked(vault: OpenVault) -> None:
        nonlocal looks
        await check(vault)
        looks += 1
        if looks == 2:  # the first is for the plan
            await rig.client.set_setting("snapshots.undo_days", "7")

    monkeypatch.setattr(expiry, "check_in_order", while_it_is_looked)
    done = await rig.ended((await rig.client.apply_retention()).id)
    assert (done.state, done.result["removed"]) == (JobState.SUCCESSFUL, 1)
    assert [each.id for each in await rig.client.snapshots()] == [new]
    assert [each.id for each in await rig.client.snapshots(removed=True)] == [old]
