"""A vault whose records went back to an earlier state: what was decided since is named, holds, and is recorded anew."""

import asyncio
from pathlib import Path

import pytest

from phoenix_core.domain.requests import HoldRequest, TagChange
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig
from tests.engine.test_annotations import lose_catalog, refused
from tests.engine.test_records import back_up, known, records, take
from tests.engine.test_undo import ids, put_aside


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def held(rig: Rig) -> list[str]:
    return [each.id for each in await rig.client.snapshots(held=True)]


@pytest.mark.parametrize("restarted", [True, False])
async def test_a_roll_back_ends_no_hold_and_its_acceptance_records_anew_what_was_decided(
    rig: Rig, agent: FakeAgent, restarted: bool
) -> None:
    kept, gone, back = [await back_up(rig) for _ in range(3)]
    await put_aside(rig, back)  # record 4
    said = await rig.client.hold_snapshot(kept, HoldRequest(reason="court case"))
    await put_aside(rig, gone)
    await rig.client.undelete_snapshot(back)
    await take(rig, 7, 6, 5)
    if restarted:
        await rig.restart()
    finding = await records(rig)
    assert finding.state == "error"
    assert "That gives up" not in finding.hint
    told = (f"the hold of {kept[:12]}", f"the removal of {gone[:12]}", f"the undone removal of {back[:12]}")
    for each in told:
        assert f"{each} of web1" in finding.hint
    assert "is then recorded anew" in finding.hint
    assert (await held(rig), await ids(rig, removed=True), await known(rig)) == ([kept], [gone], {kept, back})
    await rig.client.set_setting("vault.accept_rollback", "7")
    assert (await rig.client.vault()).problem == ""
    await lose_catalog(rig)
    (after,) = await rig.client.snapshots(held=True)
    assert (after.id, after.hold) == (kept, said.hold)
    assert (await ids(rig, removed=True), await known(rig)) == ([gone], {kept, back})
    assert await refused(rig.client.remove_snapshot(kept, typed=kept[:12])) == "snapshot_held"
    assert (await records(rig)).state == "ok"


async def test_a_removal_that_another_core_undid_meanwhile_stays_undone(rig: Rig, agent: FakeAgent) -> None:
    """The records went back, the vault was opened without this catalog, and then with it again."""
    snapshot = await back_up(rig)
    await put_aside(rig, snapshot)
    other = await back_up(rig)
    await rig.client.hold_snapshot(other, HoldRequest(reason="court case"))  # record 4
    await rig.stop()
    kept = await asyncio.to_thread(rig.data.catalog.read_bytes)
    await take(rig, 4)
    await lose_catalog(rig)
    await rig.client.undelete_snapshot(snapshot)  # another record 4
    await rig.stop()
    await asyncio.to_thread(put_back, rig.data.catalog, kept)
    await rig.start()
    finding = await records(rig)
    assert (finding.state, f"of {snapshot[:12]}" in finding.hint) == ("error", False)
    assert f"the hold of {other[:12]} of web1" in finding.hint
    await rig.client.set_setting("vault.accept_rollback", "4")
    assert (await rig.client.vault()).problem == ""
    assert (await known(rig), await ids(rig, removed=True), await held(rig)) == ({snapshot, other}, [], [other])
    await lose_catalog(rig)
    assert (await known(rig), await ids(rig, removed=True)) == ({snapshot, other}, [])


def put_back(catalog: Path, content: bytes) -> None:
    for path in catalog.parent.glob(f"{catalog.name}*"):
        path.unlink()
    catalog.write_bytes(content)


async def test_an_acceptance_that_records_something_anew_is_told_to_the_agents(rig: Rig, agent: FakeAgent) -> None:
    snapshot = await back_up(rig)
    await rig.client.tag_snapshot(snapshot, TagChange(add=("q3",)))
    await take(rig, 2)
    assert f"tags and note of {snapshot[:12]} of web1" in (await records(rig)).hint
    await rig.client.set_setting("vault.accept_rollback", "2")
    await back_up(rig)
    order = agent.orders[-1]
    assert (order.last_record, bool(order.rollback_accepted)) == (2, True)  # type: ignore[union-attr]
    assert (await rig.client.snapshot(snapshot)).tags == ("q3",)


async def test_a_hold_in_a_chain_that_broke_before_it_holds_and_is_named(rig: Rig, agent: FakeAgent) -> None:
    kept = await back_up(rig)
    await rig.client.tag_snapshot(kept, TagChange(add=("q3",)))
    await rig.client.hold_snapshot(kept, HoldRequest(reason="court case"))
    given_up = await back_up(rig)
    await take(rig, 2)
    hint = (await records(rig)).hint
    assert f"gives up 1 snapshot: {given_up[:12]} of web1." in hint
    assert f"the hold and tags and note of {kept[:12]} of web1" in hint
    assert await held(rig) == [kept]
    await take(rig, 3, 4)
    await rig.client.set_setting("vault.accept_rollback", "4")
    assert (await rig.client.vault()).problem == ""
    assert (await held(rig), await known(rig)) == ([kept], {kept})
    await lose_catalog(rig)
    assert await held(rig) == [kept]
