"""Drills by a policy's schedule."""

import asyncio
from pathlib import Path

import pytest

from phoenix_core.domain.drills import DrillOutcome
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.policies import BackupPolicy, Config, ContentRule, MissedRun, ServerGroup
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import JobView
from tests.engine.drilling import finding
from tests.engine.drills.drilled import SOUND
from tests.engine.fake_agent import FakeAgent, until_cancelled
from tests.engine.moved_clock import MovedClock
from tests.engine.rig import Rig, running_rig
from tests.engine.test_vault_jobs import backed_up


async def protect(rig: Rig, **fields: object) -> None:
    policy = BackupPolicy(name="monthly", drill=("daily at 05:00",), **fields)  # type: ignore[arg-type]
    await rig.client.put_policy("monthly", policy)
    await rig.client.put_rule("web", ContentRule(name="web", paths=("/srv",)))
    await rig.client.put_group("web", ServerGroup("web", policy="monthly", rules=("web",), servers=("web1",)))


async def due_drills(rig: Rig, clock: MovedClock) -> list[JobView]:
    """Those that its policy asked for by the next morning, newest first."""
    assert rig.core is not None
    await rig.core.do_what_is_due()
    clock.move_to(5, 1)
    await rig.core.do_what_is_due()
    jobs = await rig.client.jobs(kind=JobKind.RESTORE_DRILL)
    return [job for job in jobs if job.requested_by == "policy monthly"]


async def test_a_policy_has_its_servers_drilled_each_time_with_another_sample(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    agent.on_restore = finding(SOUND)
    await backed_up(rig)
    await protect(rig, drill_sample="5", drill_max_bytes=1 << 20)
    assert await due_drills(rig, clock) != []
    (first,) = await due_drills_ended(rig)
    assert first.state is JobState.SUCCESSFUL, first.error
    assert first.result["sample"] == "5 files, at most 1.0 MiB"
    await due_drills(rig, clock)
    second, _ = await due_drills_ended(rig)
    assert second.result["seed"] != first.result["seed"]
    assert len(await rig.client.drills("web1")) == 2


async def due_drills_ended(rig: Rig) -> list[JobView]:
    return [await rig.ended(job.id) for job in await rig.client.jobs(kind=JobKind.RESTORE_DRILL)]


async def test_of_an_agent_that_is_away_a_scheduled_drill_is_skipped_and_says_so(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    await backed_up(rig)
    await protect(rig)
    await rig.client.set_setting("agent.grace_s", "0")
    await agent.stop()
    (job,) = await due_drills(rig, clock)
    done = await rig.ended(job.id)
    assert done.state is JobState.SKIPPED
    assert done.error is not None
    assert "agent on web1 was not connected" in done.error.message
    assert "`phoenix drill run web1`" in done.error.hint
    assert await rig.client.drills() == []


async def test_a_server_without_a_snapshot_is_skipped_and_says_so(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    await protect(rig)
    (job,) = await due_drills(rig, clock)
    assert job.state is JobState.SKIPPED
    assert job.error is not None
    assert job.error.code == "no_snapshot"


async def test_without_a_vault_a_scheduled_drill_is_skipped_and_says_so(tmp_path: Path, clock: MovedClock) -> None:
    async with running_rig(tmp_path, vault=False, clock=clock) as rig:
        await rig.agent()
        await protect(rig)
        (job,) = await due_drills(rig, clock)
        assert job.state is JobState.SKIPPED
        assert job.error is not None
        assert job.error.code == "no_vault"


async def test_a_newest_snapshot_that_is_lost_is_a_failed_drill_and_no_skipped_one(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    await backed_up(rig)
    newest = await backed_up(rig)
    await protect(rig)
    await asyncio.to_thread((rig.data.vault / "snapshots" / newest.snapshot_id).unlink)
    (job,) = await due_drills(rig, clock)
    done = await rig.ended(job.id)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert done.error.code == "snapshot_lost"
    (proof,) = await rig.client.drills("web1")
    assert (proof.outcome, proof.snapshot_id) == (DrillOutcome.FAILED, newest.snapshot_id)


async def test_a_missed_drill_that_the_policy_leaves_out_is_a_skipped_job(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    await backed_up(rig)
    await protect(rig, missed=MissedRun.SKIP)
    assert rig.core is not None
    await rig.core.do_what_is_due()
    await rig.stop()
    clock.move_to(9)
    await rig.start()
    await rig.core.do_what_is_due()
    (job,) = await rig.client.jobs(kind=JobKind.RESTORE_DRILL)
    assert job.state is JobState.SKIPPED
    assert job.error is not None
    assert job.error.code == "drill_missed"
    assert f"due at {clock.now():%Y-%m-%d} 05:00 UTC" in job.error.message
    again = await rig.client.retry(job.id)
    assert (await rig.ended(again.id)).state is JobState.SUCCESSFUL


async def test_while_a_drill_is_not_over_its_server_gets_no_other(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    await backed_up(rig)
    await protect(rig)
    agent.on_restore = until_cancelled
    (first,) = await due_drills(rig, clock)
    assert [job.id for job in await due_drills(rig, clock)] == [first.id]
    await rig.client.cancel(first.id)


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"drill": ("monthly on 31 at 5",)}, "drill", "no time"),
        ({"drill": ("0 0 30 2 *",)}, "drill", "never comes"),
        ({"drill_sample": "lots"}, "drill_sample", "no number of files"),
        ({"drill_max_bytes": -1}, "drill_max_bytes", "-1"),
        ({"drill_on": "nobody"}, "drill_on", "nobody"),
    ],
)
async def test_a_drill_that_can_t_be_names_the_field(
    rig: Rig, fields: dict[str, object], field: str, says: str
) -> None:
    with pytest.raises(RemoteError) as error:
        await rig.client.put_policy("n", BackupPolicy(name="n", **fields))  # type: ignore[arg-type]
    assert error.value.view().code == "field_invalid"
    assert error.value.fields["field"] == field
    assert says in error.value.message
    with pytest.raises(RemoteError, match=field):
        await rig.client.apply_config(Config(policies=(BackupPolicy(name="n", **fields),)))  # type: ignore[arg-type]
