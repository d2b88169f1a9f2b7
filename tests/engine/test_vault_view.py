"""What status and doctor say of a vault is so: verifies that covered it, snapshots that count, packs that wait."""

import asyncio
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from blake3 import blake3

from phoenix_core.domain.ids import PackId
from phoenix_core.domain.requests import BackupRequest, VerifyRequest
from phoenix_core.domain.states import JobState, VerifyDepth
from phoenix_core.domain.views import FindingView, JobView
from phoenix_core.engine.workflows import vault_verify
from phoenix_core.host.process import host_facts
from phoenix_core.storage.node_api import PackState
from phoenix_core.vault.mark import MaintenanceCancelled
from tests.engine.fake_agent import FACTS, FakeAgent
from tests.engine.moved_clock import MovedClock
from tests.engine.rig import Rig


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def backed_up(rig: Rig) -> JobView:
    done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return done


async def verified(rig: Rig, depth: VerifyDepth, *snapshots: str) -> JobView:
    return await rig.ended((await rig.client.verify(VerifyRequest(depth, snapshots))).id)


async def finding(rig: Rig, subject: str) -> FindingView:
    (found,) = [each for each in await rig.client.doctor() if each.subject == subject]
    return found


def until_told(began: asyncio.Event) -> Any:
    loop = asyncio.get_running_loop()

    def verify(*arguments: Any, **_: object) -> None:
        loop.call_soon_threadsafe(began.set)
        while not arguments[5]():
            time.sleep(0.005)
        raise MaintenanceCancelled(what="The verify")

    return verify


async def test_a_verify_that_runs_or_was_cancelled_does_not_take_the_place_of_one_that_ended(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backed_up(rig)
    full = await verified(rig, VerifyDepth.CHUNKS)
    began = asyncio.Event()
    monkeypatch.setattr(vault_verify, "verify_vault", until_told(began))
    under_way = await rig.client.verify()
    await began.wait()
    while_it_ran = await last_verify(rig)
    assert "depth chunks" in (await finding(rig, "verify")).text
    await rig.client.cancel(under_way.id)
    assert (await rig.ended(under_way.id)).state is JobState.CANCELLED
    assert while_it_ran == await last_verify(rig) == (full.id, full.finished_at, VerifyDepth.CHUNKS)


async def last_verify(rig: Rig) -> tuple[str, datetime | None, VerifyDepth | None]:
    vault = await rig.client.vault()
    return vault.last_verify_job, vault.last_verify_at, vault.last_verify_depth


@pytest.mark.parametrize("clock", [MovedClock()], ids=["that is moved"])
async def test_a_verify_by_a_clock_that_was_ahead_hides_none_after_it(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    await backed_up(rig)
    clock.ahead += timedelta(days=1)
    ahead = await verified(rig, VerifyDepth.CHUNKS)
    clock.ahead -= timedelta(days=1)
    right = await verified(rig, VerifyDepth.STRUCTURE)
    assert right.state is ahead.state is JobState.SUCCESSFUL
    assert await last_verify(rig) == (right.id, right.finished_at, VerifyDepth.STRUCTURE)


async def test_a_verify_of_one_snapshot_is_no_verify_of_the_vault(rig: Rig, agent: FakeAgent) -> None:
    made = await backed_up(rig)
    await verified(rig, VerifyDepth.STRUCTURE, made.snapshot_id)
    assert (await rig.client.vault()).last_verify_at is None
    assert "never been verified" in (await finding(rig, "verify")).text


async def test_a_verify_that_found_damage_counts_and_is_warned_of(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    await verified(rig, VerifyDepth.CHUNKS)
    await asyncio.to_thread(lose_data, rig)
    damaged = await verified(rig, VerifyDepth.STRUCTURE)
    assert damaged.state is JobState.FAILED
    vault = await rig.client.vault()
    assert (vault.last_verify_job, vault.last_verify_state) == (damaged.id, JobState.FAILED)
    found = await finding(rig, "verify")
    assert (found.state, "damage" in found.text, damaged.id in found.hint) == ("warning", True, True)


def lose_data(rig: Rig) -> None:
    for path in (rig.data.vault / "packs" / "data").rglob("*"):
        if path.is_file():
            path.unlink()


async def test_leftovers_of_jobs_that_never_ended_are_no_snapshots(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    left = b"a sealed snapshot that nobody recorded"
    name = rig.data.vault / "snapshots" / blake3(left).hexdigest()
    await asyncio.to_thread(name.write_bytes, left)
    assert (await rig.client.vault()).snapshots == 1


async def test_packs_that_nobody_will_read_do_not_wait_for_their_proof(rig: Rig, agent: FakeAgent) -> None:
    await rig.client.set_setting("prove.enabled", "false")
    await backed_up(rig)
    known = await asyncio.to_thread(lambda: [PackId(pack.pack_id) for pack in rig.node().packs()])
    assert (await rig.client.vault()).unproved_packs == len(known) == 2
    await asyncio.to_thread(rig.node().mark_damaged, known[0], PackState.LOST)
    assert (await rig.client.vault()).unproved_packs == 1
    await asyncio.to_thread(rig.node().mark_damaged, known[1], PackState.DAMAGED)
    await rig.client.set_setting("prove.enabled", "true")
    assert (await rig.client.vault()).unproved_packs == 0
    assert (await finding(rig, "packs")).text == "2 packs are damaged or lost."


async def test_one_of_a_kind_is_told_in_the_singular(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    known = await asyncio.to_thread(lambda: [PackId(pack.pack_id) for pack in rig.node().packs()])
    await asyncio.to_thread(rig.node().mark_damaged, known[0], PackState.DAMAGED)
    assert (await finding(rig, "packs")).text == "1 pack is damaged or lost."
    assert (await finding(rig, "records")).text.startswith("1 record, ")


async def test_doctor_expects_this_machines_agent_only_where_a_core_was_running(rig: Rig) -> None:
    facts = await asyncio.to_thread(host_facts)
    for name, host in (("here", facts), ("elsewhere", FACTS)):
        agent = await rig.agent(name, host)
        await agent.stop()
        await rig.until(partial(is_away, rig, name))

    async def said(*, lone: bool) -> dict[str, str]:
        found = await rig.client.doctor(lone=lone)
        return {each.subject: each.state for each in found if each.subject.startswith("server ")}

    assert await said(lone=False) == {"server here": "warning", "server elsewhere": "warning"}
    assert await said(lone=True) == {"server here": "ok", "server elsewhere": "warning"}


async def is_away(rig: Rig, name: str) -> bool:
    return not (await rig.client.server(name)).connected
