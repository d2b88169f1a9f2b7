"""Repair as a job: a plan, then what it saves; the servers whose next backup heals the rest."""

import asyncio
import os
from typing import Any

import msgspec
import pytest

from phoenix_core.domain.ids import PackId
from phoenix_core.domain.requests import RepairRequest, RestoreRequest, VerifyRequest
from phoenix_core.domain.states import JobKind, JobState, StepState, VerifyDepth
from phoenix_core.domain.views import JobView
from phoenix_core.engine.claims import VAULT, Claim, backups_of, conflict
from phoenix_core.storage.node_api import PackState
from phoenix_core.vault import descriptor as descriptors
from phoenix_core.vault.packhead import HEAD_SIZE
from phoenix_core.vault.wrap import wrap
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import CHEAP, Rig
from tests.engine.test_vault_jobs import backed_up, packs, path_of, proved


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    made = await rig.agent()
    made.files = {f"/srv/{number}": os.urandom(400_000) for number in range(6)}
    return made


async def damage(rig: Rig, at: int) -> None:
    """Flip a byte of the data pack."""
    pack = next(pack for pack in await packs(rig) if pack.kind == "data")

    def flip() -> None:
        path = path_of(rig, pack)
        data = bytearray(path.read_bytes())
        data[at] ^= 0x40
        path.unlink()
        path.write_bytes(data)

    await asyncio.to_thread(flip)


async def repaired(rig: Rig, *, execute: bool, depth: VerifyDepth = VerifyDepth.STRUCTURE) -> JobView:
    return await rig.ended((await rig.client.repair(RepairRequest(depth=depth, execute=execute))).id)


async def test_the_plan_says_what_can_be_saved_and_writes_nothing(rig: Rig, agent: FakeAgent) -> None:
    done = await backed_up(rig)
    await proved(rig)
    await damage(rig, HEAD_SIZE + 100)
    before = len(await packs(rig))
    plan = await repaired(rig, execute=False, depth=VerifyDepth.PACKS)
    assert plan.state is JobState.SUCCESSFUL_WITH_ERRORS
    assert int(plan.result["rescue_chunks"]) > 0
    assert plan.result["damages"] == 1
    assert {step.id: step.state for step in plan.steps}["rescue"] is StepState.SKIPPED
    (found,) = await rig.client.damage(plan.id)
    assert found.snapshots == (done.snapshot_id,)
    assert found.file_count == plan.result["damaged_files"]
    assert len(await packs(rig)) == before
    told = "Back web1 up again, with `phoenix backup web1 /srv`: "
    assert any(line.text.startswith(told) for line in await rig.client.job_log(plan.id))


async def test_a_repair_saves_what_is_left_and_the_next_backup_heals_the_rest(rig: Rig, agent: FakeAgent) -> None:
    old = await backed_up(rig)
    await proved(rig)
    chunks = next(pack.chunks for pack in await packs(rig) if pack.kind == "data")
    await damage(rig, HEAD_SIZE + 100)
    verified = await rig.ended((await rig.client.verify(VerifyRequest(depth=VerifyDepth.PACKS))).id)
    assert verified.state is JobState.FAILED
    done = await repaired(rig, execute=True)
    assert done.state is JobState.SUCCESSFUL_WITH_ERRORS, done.error
    assert int(done.result["rescued_chunks"]) == done.result["rescue_chunks"] != 0
    assert all(step.state is StepState.DONE for step in done.steps)
    assert int(done.result["damaged_files"]) < len(agent.files)
    await backed_up(rig)
    order = agent.orders[-1]
    assert order.parent is not None  # type: ignore[union-attr]
    assert len(order.parent.unusable_chunks) == chunks - int(done.result["rescued_chunks"])  # type: ignore[union-attr]
    again = await repaired(rig, execute=True)
    assert again.state is JobState.SUCCESSFUL
    assert again.result["rescued_chunks"] == 0
    restored = await rig.ended((await rig.client.restore(RestoreRequest(server="web1", snapshot=old.snapshot_id))).id)
    assert restored.state is JobState.SUCCESSFUL, restored.error
    assert agent.restored == agent.files
    assert not await asyncio.to_thread(rig.node().leases)


async def test_a_pack_with_a_damaged_tail_is_saved_whole(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    await proved(rig)
    await damage(rig, -40)
    await rig.ended((await rig.client.verify(VerifyRequest(depth=VerifyDepth.CHUNKS))).id)
    done = await repaired(rig, execute=True)
    assert done.state is JobState.SUCCESSFUL
    verified = await rig.ended((await rig.client.verify(VerifyRequest(depth=VerifyDepth.CHUNKS))).id)
    assert verified.state is JobState.SUCCESSFUL, verified.error


async def test_a_pack_that_is_there_again_is_usable_after_a_plan(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    await proved(rig)
    pack = next(pack for pack in await packs(rig) if pack.kind == "data")
    path = path_of(rig, pack)
    aside = path.with_name("aside")
    await asyncio.to_thread(path.rename, aside)
    await rig.ended((await rig.client.verify()).id)
    await asyncio.to_thread(aside.rename, path)
    plan = await repaired(rig, execute=False)
    assert plan.state is JobState.SUCCESSFUL
    assert plan.result["returned_packs"] == 1
    info = await asyncio.to_thread(rig.node().pack_info, PackId(pack.pack_id))
    assert info is not None
    assert info.state is PackState.USABLE


async def test_a_snapshot_that_can_not_be_opened_is_named_with_what_to_do(rig: Rig, agent: FakeAgent) -> None:
    done = await backed_up(rig)
    await asyncio.to_thread((rig.data.vault / "snapshots" / done.snapshot_id).unlink)
    plan = await repaired(rig, execute=True)
    assert plan.state is JobState.SUCCESSFUL_WITH_ERRORS
    told = [line.text for line in await rig.client.job_log(plan.id)]
    assert any(f"phoenix snapshot remove {done.snapshot_id[:12]}" in text for text in told)


def test_a_repair_runs_beside_backups_but_not_beside_verify_or_prune(rig: Rig) -> None:
    workflows = rig.core._parts.workflows  # type: ignore[union-attr]
    job: Any = None
    repair = workflows[JobKind.REPAIR].claims(job)
    for other in (JobKind.REPAIR, JobKind.VERIFY, JobKind.PRUNE, JobKind.REBUILD_INDEX, JobKind.SNAPSHOT_REMOVE):
        assert conflict(workflows[other].claims(job), repair)
    assert not conflict([Claim(VAULT), Claim(backups_of("s1"), exclusive=True)], repair)


async def test_an_older_vault_json_is_told_of(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    assert (await rig.ended((await rig.client.verify()).id)).state is JobState.SUCCESSFUL
    await rig.stop()
    path = rig.data.vault / "vault.json"
    known = descriptors.decode(path.read_bytes())
    older = msgspec.structs.replace(known, wrapped_keys=(wrap(rig.key, "an older one", CHEAP),))  # type: ignore[arg-type]
    path.unlink()
    path.write_bytes(older.encode())
    await rig.start()
    found = await rig.ended((await rig.client.verify()).id)
    assert found.state is JobState.FAILED
    assert ["older one" in damage.what for damage in await rig.client.damage(found.id)] == [True]
    path.unlink()
    path.write_bytes(known.encode())
    assert (await rig.ended((await rig.client.verify()).id)).state is JobState.SUCCESSFUL
