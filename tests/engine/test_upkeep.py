"""Prune and verify run by themselves, beside backups, and say what they did and why."""

import asyncio
import os
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.ids import PackId
from phoenix_core.domain.requests import RepairRequest
from phoenix_core.domain.states import JobKind, JobState, VerifyDepth
from phoenix_core.domain.views import JobView
from phoenix_core.engine.turns import GentleTurns
from phoenix_core.engine.workflows import vault_verify
from phoenix_core.storage.node_api import PackState
from phoenix_core.vault.readturn import ReadTurn
from tests.engine.fake_agent import FakeAgent
from tests.engine.moved_clock import MovedClock
from tests.engine.rig import Rig
from tests.engine.test_vault_jobs import backed_up, break_pack, packs, proved


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def when_due(rig: Rig, clock: MovedClock, kind: JobKind, *, hour: int = 8) -> JobView:
    """The job that its schedule has queued, at its end."""
    return await rig.ended((await queued(rig, clock, kind, hour=hour)).id)


async def queued(rig: Rig, clock: MovedClock, kind: JobKind, *, hour: int = 8) -> JobView:
    before = {job.id for job in await rig.client.jobs(kind=kind)}
    await rig.client.set_setting(f"{kind}.schedule", f"daily at {hour:02}:00")
    assert rig.core is not None
    await rig.core.do_what_is_due()
    clock.move_to(hour, 1)
    await rig.core.do_what_is_due()
    (job,) = [job for job in await rig.client.jobs(kind=kind) if job.id not in before]
    assert job.requested_by == f"{kind}.schedule"
    return job


async def log(rig: Rig, job: JobView) -> str:
    return "\n".join(line.text for line in await rig.client.job_log(job.id))


# --- verify ----------------------------------------------------------------------------------------------------------


async def test_each_day_the_structure_is_verified_and_packs_have_their_turn(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    await backed_up(rig)
    await proved(rig)
    await rig.client.set_setting("verify.days", "1")
    stored_at = min(pack.read_at_ns for pack in await packs(rig))
    job = await when_due(rig, clock, JobKind.VERIFY)
    assert job.state is JobState.SUCCESSFUL, job.error
    assert job.result["packs_in_turn"] == job.result["packs_read"] == 2
    assert "Of 2 packs whose turn it was, 2 were read to the last chunk and are sound" in await log(rig, job)
    assert min(pack.read_at_ns for pack in await packs(rig)) > stored_at
    vault = await rig.client.vault()
    assert vault.last_verify_job == job.id
    assert vault.readings is not None
    assert vault.readings.text(clock.now()) == "all within 1 days: yes, the oldest today"


async def test_new_packs_count_as_read_by_the_background_proof(rig: Rig, agent: FakeAgent, clock: MovedClock) -> None:
    await rig.client.set_setting("prove.enabled", "false")
    await backed_up(rig)
    readings = (await rig.client.vault()).readings
    assert readings is not None
    assert (readings.unread, readings.oldest_at) == (2, None)
    assert readings.text(clock.now()) == "all within 30 days: no, 2 packs not read yet"
    await rig.client.set_setting("prove.enabled", "true")
    await proved(rig)
    readings = (await rig.client.vault()).readings
    assert readings is not None
    assert readings.unread == 0
    assert readings.is_within(clock.now())
    assert any("yes, the oldest today" in each.text for each in await rig.client.doctor() if each.subject == "reading")


async def test_data_that_is_not_read_in_time_is_told(rig: Rig, agent: FakeAgent, clock: MovedClock) -> None:
    await backed_up(rig)
    await proved(rig)
    await rig.client.set_setting("retention.schedule", "off")
    clock.ahead += timedelta(days=40)
    (finding,) = [each for each in await rig.client.doctor() if each.subject == "reading"]
    assert finding.state == "warning"
    assert "no, the oldest 40 days ago" in finding.text


async def test_damage_that_a_turn_meets_is_named_with_snapshots_and_files(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    backup = await backed_up(rig)
    await proved(rig)
    await break_pack(rig, "data")
    await rig.client.set_setting("verify.days", "1")
    job = await when_due(rig, clock, JobKind.VERIFY)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == "damage_found"
    (damage,) = await rig.client.damage(job.id)
    assert damage.snapshots == (backup.snapshot_id,)
    assert damage.files


async def test_a_restart_of_the_core_goes_on_where_the_reading_was(
    rig: Rig, agent: FakeAgent, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        agent.files = {f"/srv/{name}": os.urandom(300_000)}
        await backed_up(rig)
    await proved(rig)
    await rig.client.set_setting("verify.days", "1")
    asked = 0
    reached = threading.Event()

    def two_then_none(turns: GentleTurns) -> bool:
        nonlocal asked
        asked += 1
        if asked > 2:
            reached.set()
            turns._stop.wait(20)
        return asked <= 2

    with monkeypatch.context() as slow:
        slow.setattr(GentleTurns, "may_read", two_then_none)
        job = await queued(rig, clock, JobKind.VERIFY)
        assert await asyncio.to_thread(reached.wait, 20)
        await rig.stop()
    await rig.start()
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    total = len(await packs(rig))
    assert done.result["packs_in_turn"] in {total - 4, total - 3, total - 2}
    assert "The core was started again; the job goes on." in await log(rig, done)
    began_ns = (done.started_at or datetime.now(UTC)).timestamp() * 1e9
    assert all(pack.read_at_ns >= began_ns for pack in await packs(rig))


class FailsOnce:
    """A catalog that can't be read at the first look for who waits."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)

    async def in_states(self, states: Iterable[JobState]) -> list[JobRow]:
        if not self.failed:
            self.failed = True
            raise OSError("the disk is away")
        return await self._jobs.in_states(states)


@pytest.mark.parametrize("first_look_fails", [False, True])
async def test_what_needs_the_vault_alone_does_not_wait_for_the_reading(
    rig: Rig, agent: FakeAgent, clock: MovedClock, monkeypatch: pytest.MonkeyPatch, first_look_fails: bool
) -> None:
    monkeypatch.setattr(vault_verify, "LOOK_S", 0.01)
    assert rig.core is not None
    parts = rig.core._parts
    if first_look_fails:
        monkeypatch.setattr(parts.workflows[JobKind.VERIFY], "_jobs", FailsOnce(parts.jobs))
    await backed_up(rig)
    await proved(rig)
    await rig.client.set_setting("verify.days", "1")

    def until_another_waits(turns: GentleTurns) -> bool:
        return not turns.others_wait.wait(20)

    monkeypatch.setattr(GentleTurns, "may_read", until_another_waits)
    job = await queued(rig, clock, JobKind.VERIFY)
    await rig.in_state(job.id, JobState.RUNNING)
    repair = await rig.ended((await rig.client.repair(RepairRequest(depth=VerifyDepth.STRUCTURE))).id)
    assert repair.state is JobState.SUCCESSFUL
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL
    assert done.result["packs_read"] == 0
    assert "have their turn next time: another job waits" in await log(rig, done)


def test_beside_jobs_the_reading_pauses_and_alone_it_does_not() -> None:
    stop = threading.Event()
    busy = [True, True, False]
    turn = ReadTurn(0, 1, timedelta(days=1), timedelta(days=1))
    turns = GentleTurns(turn, lambda: busy.pop(0) if busy else False, stop, far=False)
    assert turns.may_read()
    assert busy == []
    stop.set()
    assert not turns.may_read()


# --- prune -----------------------------------------------------------------------------------------------------------


async def with_unused_data(rig: Rig, agent: FakeAgent, *, unused: int, used: int) -> None:
    agent.files = {"/srv/old": os.urandom(unused)}
    old = await backed_up(rig)
    agent.files = {"/srv/new": os.urandom(used)}
    await backed_up(rig)
    await proved(rig)
    await rig.remove(old.snapshot_id)


async def test_a_prune_on_schedule_deletes_where_that_is_worth_it(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    await with_unused_data(rig, agent, unused=300_000, used=300_000)
    before = len(await packs(rig))
    job = await when_due(rig, clock, JobKind.PRUNE)
    assert job.state is JobState.SUCCESSFUL, job.error
    assert job.result["deleted_packs"] == 2
    assert len(await packs(rig)) == before - 2
    assert "That is worth it: 5" in await log(rig, job)


async def test_and_leaves_all_where_it_is_not_and_says_so(rig: Rig, agent: FakeAgent, clock: MovedClock) -> None:
    await with_unused_data(rig, agent, unused=20_000, used=600_000)
    before = len(await packs(rig))
    job = await when_due(rig, clock, JobKind.PRUNE)
    assert job.state is JobState.SUCCESSFUL, job.error
    assert "deleted_packs" not in job.result
    assert "it is worth it from 10 % on (setting prune.unused_percent)" in str(job.result["left"])
    assert str(job.result["left"]) in await log(rig, job)
    assert len(await packs(rig)) == before
    await rig.client.set_setting("prune.unused_percent", "1")
    assert (await when_due(rig, clock, JobKind.PRUNE, hour=9)).result["deleted_packs"] == 2


async def test_with_nothing_unused_it_says_so(rig: Rig, agent: FakeAgent, clock: MovedClock) -> None:
    await backed_up(rig)
    await rig.client.set_setting("prune.unused_percent", "0")
    job = await when_due(rig, clock, JobKind.PRUNE)
    assert job.result["left"] == "Nothing is there to be deleted."


@pytest.mark.parametrize("what", ["pack", "snapshot"])
async def test_where_something_is_damaged_or_lost_it_is_skipped(
    rig: Rig, agent: FakeAgent, clock: MovedClock, what: str
) -> None:
    """What lies in the vault may help to mend it."""
    await with_unused_data(rig, agent, unused=300_000, used=300_000)
    if what == "pack":
        pack = PackId((await packs(rig))[-1].pack_id)
        await asyncio.to_thread(rig.node().mark_damaged, pack, PackState.DAMAGED)
    else:
        (newest,) = await rig.client.snapshots()
        await asyncio.to_thread((rig.data.vault / "snapshots" / newest.id).unlink)
        await rig.client.vault()
    before = len(await packs(rig))
    job = await when_due(rig, clock, JobKind.PRUNE)
    assert job.state is JobState.SKIPPED
    assert job.error is not None
    assert job.error.code == "prune_left_out"
    assert f"1 {what}" in job.error.message
    assert len(await packs(rig)) == before
