"""The operations on the vault, as jobs: proof, verify, prune, rebuild of the index."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phoenix_core import app
from phoenix_core.domain.ids import PackId, SnapshotId, new_lease_id
from phoenix_core.domain.requests import BackupRequest, PruneRequest, RestoreRequest, VerifyRequest
from phoenix_core.domain.states import JobState, StepState, VerifyDepth
from phoenix_core.domain.views import JobView
from phoenix_core.engine import node_patience, prove
from phoenix_core.engine.workflows import vault_verify
from phoenix_core.storage.errors import StorageUnreachable
from phoenix_core.storage.node_api import PackInfo, PackState
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.layout import pack_name
from phoenix_core.vault.mark import MaintenanceCancelled
from phoenix_core.vault.packhead import HEAD_SIZE
from tests.engine.fake_agent import FakeAgent, until_cancelled
from tests.engine.rig import Rig


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def backed_up(rig: Rig) -> JobView:
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return done


async def packs(rig: Rig) -> list[PackInfo]:
    return await asyncio.to_thread(lambda: list(rig.node().packs()))


def path_of(rig: Rig, pack: PackInfo) -> Path:
    return rig.data.vault / pack_name(PackKind(pack.kind), PackId(pack.pack_id))


async def break_pack(rig: Rig, kind: str) -> PackInfo:
    """Flip a byte in the first block of a pack of this kind."""
    pack = next(pack for pack in await packs(rig) if pack.kind == kind)
    await asyncio.to_thread(flip, path_of(rig, pack))
    return pack


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[HEAD_SIZE + 12] ^= 0xFF
    path.unlink()
    path.write_bytes(data)


async def proved(rig: Rig) -> None:
    async def all_proved() -> bool:
        return all(each.proved for each in await rig.client.snapshots())

    await rig.until(all_proved)


async def test_new_packs_are_proved_soon_after_a_backup(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    await proved(rig)
    assert all(pack.proved for pack in await packs(rig))
    assert (await rig.client.vault()).unproved_packs == 0


async def test_the_proof_goes_on_after_a_restart(rig: Rig, agent: FakeAgent) -> None:
    await rig.client.set_setting("prove.enabled", "false")
    await backed_up(rig)
    assert not any(pack.proved for pack in await packs(rig))
    await rig.client.set_setting("prove.enabled", "true")
    await rig.restart()
    await proved(rig)


async def test_a_pack_that_is_damaged_before_its_proof_is_found(rig: Rig, agent: FakeAgent) -> None:
    await rig.client.set_setting("prove.enabled", "false")
    await backed_up(rig)
    broken = await break_pack(rig, "data")
    await rig.client.set_setting("prove.enabled", "true")

    async def found() -> bool:
        return (await rig.client.vault()).damaged_packs == 1

    await rig.until(found)
    info = await asyncio.to_thread(rig.node().pack_info, PackId(broken.pack_id))
    assert info is not None
    assert info.state is PackState.DAMAGED
    assert any(each.subject == "packs" and each.state == "error" for each in await rig.client.doctor())


async def test_a_sound_vault_verifies_to_the_last_chunk(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    job = await rig.client.verify(VerifyRequest(depth=VerifyDepth.CHUNKS))
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert all(step.state is StepState.DONE for step in done.steps)
    assert done.result["snapshots"] == 1
    assert done.result["damages"] == 0
    vault = await rig.client.vault()
    assert vault.last_verify_state is JobState.SUCCESSFUL


async def test_verify_names_the_snapshots_and_files_that_damage_hits(rig: Rig, agent: FakeAgent) -> None:
    done = await backed_up(rig)
    await proved(rig)
    await break_pack(rig, "data")
    job = await rig.ended((await rig.client.verify(VerifyRequest(depth=VerifyDepth.CHUNKS))).id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == "damage_found"
    assert job.error.exit_code == 1
    (damage,) = await rig.client.damage(job.id)
    assert damage.snapshots == (done.snapshot_id,)
    assert damage.file_count >= 1
    assert damage.files[0].startswith(done.snapshot_id[:12] + ":/srv/")
    for command in (f"job show {job.id}", "vault repair", "vault repair --execute", "backup web1 /srv"):
        assert f"`phoenix {command}`" in job.error.hint
    assert job.result["damages"] == 1


async def test_the_next_backup_heals_what_verify_found(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    await proved(rig)
    await break_pack(rig, "data")
    await rig.ended((await rig.client.verify(VerifyRequest(depth=VerifyDepth.PACKS))).id)
    await backed_up(rig)
    parent = agent.orders[-1].parent  # type: ignore[union-attr]
    assert parent is not None
    assert parent.unusable_chunks
    restored = await rig.ended((await rig.client.restore(RestoreRequest(server="web1"))).id)
    assert restored.state is JobState.SUCCESSFUL, restored.error
    assert agent.restored == agent.files


async def test_a_prune_shows_its_plan_and_deletes_only_when_told_to(rig: Rig, agent: FakeAgent) -> None:
    agent.files = {"/srv/old": os.urandom(300_000)}
    old = await backed_up(rig)
    agent.files = {"/srv/new": os.urandom(300_000)}
    await backed_up(rig)
    await proved(rig)
    await rig.remove(old.snapshot_id)
    before = len(await packs(rig))
    plan = await rig.ended((await rig.client.prune()).id)
    assert plan.state is JobState.SUCCESSFUL, plan.error
    assert plan.result["unused_packs"] == 2
    assert len(await packs(rig)) == before
    assert {step.id: step.state for step in plan.steps}["sweep"] is StepState.SKIPPED
    done = await rig.ended((await rig.client.prune(PruneRequest(execute=True))).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert done.result["deleted_packs"] == 2
    assert len(await packs(rig)) == before - 2
    restored = await rig.ended((await rig.client.restore(RestoreRequest(server="web1"))).id)
    assert restored.state is JobState.SUCCESSFUL
    assert agent.restored["/srv/new"] == agent.files["/srv/new"]


async def test_a_prune_moves_what_is_needed_out_of_mostly_unused_packs(rig: Rig, agent: FakeAgent) -> None:
    kept = os.urandom(200_000)
    agent.files = {"/srv/kept": kept, **{f"/srv/old{n}": os.urandom(200_000) for n in range(9)}}
    old = await backed_up(rig)
    agent.files = {"/srv/kept": kept}
    await backed_up(rig)
    await proved(rig)
    await rig.remove(old.snapshot_id)
    done = await rig.ended((await rig.client.prune(PruneRequest(execute=True))).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert done.result["rewritten_packs"] == 1
    restored = await rig.ended((await rig.client.restore(RestoreRequest(server="web1"))).id)
    assert restored.state is JobState.SUCCESSFUL, restored.error
    assert agent.restored == {"/srv/kept": kept}
    verified = await rig.ended((await rig.client.verify(VerifyRequest(depth=VerifyDepth.CHUNKS))).id)
    assert verified.state is JobState.SUCCESSFUL
    assert not await asyncio.to_thread(rig.node().leases)


async def test_a_removal_waits_for_a_storage_node_that_is_away(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_patience, "AGAIN_S", 0.01)
    old = await backed_up(rig)
    node = rig.node()
    delete, away = node.delete_snapshot, [1, 2]

    def delete_snapshot(snapshot: SnapshotId) -> None:
        if away:
            away.pop()
            raise StorageUnreachable(place="nas", detail="refused")
        delete(snapshot)

    monkeypatch.setattr(node, "delete_snapshot", delete_snapshot)
    done = await rig.remove(old.snapshot_id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert (away, await rig.client.snapshots()) == ([], [])


@pytest.mark.parametrize("call", ["append_record", "delete_snapshot"])
async def test_a_removal_that_fails_once_it_is_recorded_counts_and_is_finished(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whether the answer to the record was lost, or the object's deletion failed."""
    monkeypatch.setattr(node_patience, "PATIENCE_S", 0)
    old = await backed_up(rig)
    node = rig.node()
    with monkeypatch.context() as dying:
        dying.setattr(node, call, _dies(getattr(node, call), after=call == "append_record"))
        if call == "append_record":
            answers = node.records
            dying.setattr(node, "records", lambda after=0: _until_one_is_written(answers, after, before=1))
        failed = await rig.remove(old.snapshot_id)
    assert failed.state is JobState.FAILED
    assert await rig.client.snapshots() == []
    assert await asyncio.to_thread(node.snapshots) == []
    assert (await rig.client.vault()).in_order
    again = await backed_up(rig)
    assert [each.id for each in await rig.client.snapshots()] == [again.snapshot_id]


def _until_one_is_written(answers: Callable[..., Any], after: int, *, before: int) -> Any:
    if len(answers()) > before:
        raise StorageUnreachable(place="nas", detail="the connection was reset")
    return answers(after)


def _dies(call: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    def dying(*arguments: Any) -> None:
        if after:
            call(*arguments)
        raise StorageUnreachable(place="nas", detail="the connection was reset")

    return dying


async def test_a_lease_that_outlived_its_job_holds_up_no_prune(rig: Rig, agent: FakeAgent) -> None:
    agent.files = {"/srv/old": os.urandom(300_000)}
    old = await backed_up(rig)
    await rig.remove(old.snapshot_id)
    for job in (old.id, "jnobodyknows"):
        await asyncio.to_thread(rig.node().open_lease, new_lease_id(), job, "s1", None)
    done = await rig.ended((await rig.client.prune(PruneRequest(execute=True))).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert done.result["held_by_leases"] == 0
    assert done.result["deleted_packs"] == 2


async def test_a_prune_that_waits_for_a_backup_can_be_cancelled(rig: Rig, agent: FakeAgent) -> None:
    agent.files = {"/srv/old": os.urandom(300_000)}
    old = await backed_up(rig)
    await proved(rig)
    await rig.remove(old.snapshot_id)
    agent.on_backup = until_cancelled
    backup = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",), full=True))
    await rig.in_state(backup.id, JobState.RUNNING)
    await rig.until(lambda: bool(agent.orders and agent.orders[-1].job == backup.id))
    prune = await rig.client.prune(PruneRequest(execute=True))

    async def waits() -> bool:
        return {step.id: step.state for step in (await rig.client.job(prune.id)).steps}["wait"] is StepState.RUNNING

    await rig.until(waits)
    await rig.client.cancel(prune.id)
    assert (await rig.ended(prune.id)).state is JobState.CANCELLED
    assert all(pack.state is PackState.USABLE for pack in await packs(rig))
    await rig.client.cancel(backup.id)


async def test_a_lost_index_is_told_and_rebuilt(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    before = {pack.pack_id for pack in await packs(rig)}
    await rig.stop()
    await asyncio.to_thread(shutil.rmtree, rig.data.index)
    await rig.start()
    assert not (await rig.client.vault()).index_complete
    assert any(each.subject == "index" and each.state == "error" for each in await rig.client.doctor())
    job = await rig.ended((await rig.client.rebuild_index()).id)
    assert job.state is JobState.SUCCESSFUL, job.error
    assert {pack.pack_id for pack in await packs(rig)} == before
    assert (await rig.client.vault()).index_complete


async def test_a_verify_under_way_is_aborted_by_a_restart(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(
        node: object, key: object, depth: object, snapshots: object, tell: object, cancelled: object, **_: object
    ) -> None:
        loop.call_soon_threadsafe(began.set)
        while not cancelled():  # type: ignore[operator]
            time.sleep(0.005)
        raise MaintenanceCancelled(what="The verify")

    with monkeypatch.context() as patch:
        patch.setattr(vault_verify, "verify_vault", slow)
        job = await rig.client.verify()
        await began.wait()
        await rig.stop()
    await rig.start()
    done = await rig.client.job(job.id)
    assert done.state is JobState.ABORTED
    assert done.error is not None
    assert "stopped" in done.error.message


async def test_a_background_task_that_fails_is_begun_again(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[int] = []
    sound = prove.prove_pack

    def failing(*args: Any) -> bool:
        failures.append(1)
        if len(failures) == 1:
            raise ZeroDivisionError("nobody foresaw this")
        return sound(*args)

    monkeypatch.setattr(app, "PART_PAUSE_S", 0.01)
    monkeypatch.setattr(prove, "prove_pack", failing)
    await backed_up(rig)
    await proved(rig)
    assert failures
