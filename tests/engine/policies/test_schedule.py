"""From a policy's schedule to the backup, through a whole core."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from phoenix_core.agent.backup.scripted import PreScriptFailed
from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.agentlink.reports import JobFailed
from phoenix_core.catalog.database import Catalog
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.policies import BackupPolicy, Config, ContentRule, MissedRun, Retention, ServerGroup
from phoenix_core.domain.states import JobKind, JobState, StepState
from phoenix_core.host.process import HostFacts
from tests.engine.fake_agent import EITHER_SYSTEM, FakeAgent, failing, until_cancelled
from tests.engine.moved_clock import MovedClock
from tests.engine.policies.nights import do_what_is_due, protect, scheduled, the_night_comes
from tests.engine.rig import Rig


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


async def test_each_night_the_server_is_backed_up(rig: Rig, clock: MovedClock) -> None:
    agent = await rig.agent()
    await protect(rig)
    assert await scheduled(rig) == []
    job = await the_night_comes(rig, clock)
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    assert job.title == "Backup of web1: /srv, without *.tmp"
    order = agent.orders[0]
    assert isinstance(order, BackupOrder)
    assert order.paths == (b"/srv",)
    assert order.excludes == ("*.tmp",)
    again = await the_night_comes(rig, clock, 2)
    assert (await rig.ended(again.id)).state is JobState.SUCCESSFUL
    assert len(await scheduled(rig)) == 2


async def test_time_zones_are_read_beside_the_event_loop(rig: Rig, clock: MovedClock) -> None:
    """The one of a policy is, whichever duty comes first to it."""
    agent = await rig.agent()
    agent.on_backup = failing
    await protect(rig, time_zone="Asia/Kathmandu", window=("00:00-24:00",), retries=1, drill=("monthly on 1 at 05:00",))
    clock.move_to(21)
    for _ in range(2):
        ZoneInfo.clear_cache()
        await do_what_is_due(rig)
        for job in await scheduled(rig):
            await rig.ended(job.id)
    assert await scheduled(rig)


async def test_a_restart_of_the_core_makes_nothing_run_twice(rig: Rig, clock: MovedClock) -> None:
    await rig.agent()
    await protect(rig)
    job = await the_night_comes(rig, clock)
    await rig.ended(job.id)
    await rig.restart()
    await do_what_is_due(rig)
    assert [each.id for each in await scheduled(rig)] == [job.id]


@EITHER_SYSTEM
async def test_of_an_agent_that_is_away_a_scheduled_backup_is_skipped_and_says_so(
    rig: Rig, clock: MovedClock, facts: HostFacts
) -> None:
    agent = await rig.agent(facts=facts)
    await protect(rig)
    await rig.client.set_setting("agent.grace_s", "0")
    await agent.stop()
    job = await the_night_comes(rig, clock)
    ended = await rig.ended(job.id)
    assert ended.state is JobState.SKIPPED
    assert ended.error is not None
    assert "agent on web1 was not connected" in ended.error.message
    assert {step.state for step in ended.steps} == {StepState.SKIPPED}


async def test_after_a_restart_of_the_core_a_job_that_waited_long_is_not_skipped(rig: Rig, clock: MovedClock) -> None:
    first, second = await rig.agent(), await rig.agent("web2")
    await protect(rig)
    await rig.client.put_group("web", ServerGroup("web", "nightly", ("web",), ("web1", "web2")))
    await rig.client.set_setting("jobs.at_once", "1")
    first.on_backup = second.on_backup = until_cancelled
    await the_night_comes(rig, clock, 2)
    running, waiting = sorted(await scheduled(rig), key=lambda job: job.state is not JobState.RUNNING)
    await second.stop() if waiting.server_name == "web2" else await first.stop()
    clock.ahead += timedelta(hours=1)
    await rig.restart()
    await rig.client.set_setting("jobs.at_once", "2")
    await rig.in_state(running.id, JobState.RUNNING)
    await rig.in_state(waiting.id, JobState.WAITING_FOR_AGENT, JobState.SKIPPED)
    assert (await rig.client.job(waiting.id)).state is JobState.WAITING_FOR_AGENT


async def test_a_clock_that_was_a_day_ahead_costs_no_night(rig: Rig, clock: MovedClock) -> None:
    await rig.agent()
    await protect(rig)
    early = await the_night_comes(rig, clock)
    await rig.ended(early.id)
    clock.ahead -= timedelta(hours=25)
    await do_what_is_due(rig)
    await the_night_comes(rig, clock, 2)
    (right,) = [job for job in await scheduled(rig) if job.id != early.id]
    assert (await rig.ended(right.id)).state is JobState.SUCCESSFUL


async def test_another_time_zone_makes_nothing_due_that_was_not_promised(rig: Rig, clock: MovedClock) -> None:
    await rig.agent()
    await protect(rig)
    clock.move_to(20)
    await rig.client.put_policy("nightly", BackupPolicy("nightly", ("daily at 02:00",), "Asia/Tokyo"))
    await do_what_is_due(rig)
    assert await scheduled(rig) == []


async def test_nobody_finds_new_times_with_what_was_due_by_the_old_ones(
    rig: Rig, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn of the scheduler between the two would make up for runs that were never promised."""
    await rig.agent()
    await protect(rig)
    assert rig.core is not None
    policies, found = rig.core._parts.policies, []

    async def look() -> None:
        there = await policies.all()
        found.append((there.policies[0].body.time_zone, there.groups[0].considered_until))

    write = Catalog.writing

    @asynccontextmanager
    async def writing(catalog: Catalog) -> AsyncIterator[AsyncConnection]:
        async with write(catalog) as connection:
            yield connection
        await look()

    await look()
    monkeypatch.setattr(Catalog, "writing", writing)
    await rig.client.put_policy("nightly", BackupPolicy("nightly", ("daily at 02:00",), "Asia/Tokyo"))
    monkeypatch.undo()
    before, after = found[0], found[-1]
    assert (before[0] != after[0] == "Asia/Tokyo", before[1] < after[1]) == (True, True)
    assert set(found) == {before, after}


@EITHER_SYSTEM
async def test_an_agent_that_was_just_restarted_is_waited_for(rig: Rig, clock: MovedClock, facts: HostFacts) -> None:
    agent = await rig.agent(facts=facts)
    await protect(rig)
    await agent.stop()
    job = await the_night_comes(rig, clock)
    await rig.in_state(job.id, JobState.WAITING_FOR_AGENT)
    await agent.start()
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL


async def test_a_night_without_a_core_is_made_up_for(rig: Rig, clock: MovedClock) -> None:
    await rig.agent()
    await protect(rig)
    await rig.stop()
    clock.move_to(9)
    await rig.start()

    async def there() -> bool:
        return bool(await scheduled(rig))

    await rig.until(there)
    (job,) = await scheduled(rig)
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    assert any("it is made up for" in line.text for line in await rig.client.job_log(job.id))


async def test_or_is_skipped_where_the_policy_says_so_with_a_job_for_each_server(rig: Rig, clock: MovedClock) -> None:
    await rig.agent()
    await rig.agent("web2")
    await protect(rig, missed=MissedRun.SKIP)
    await rig.client.put_group("web", ServerGroup("web", "nightly", ("web",), ("web1", "web2")))
    await rig.stop()
    clock.move_to(9)
    await rig.start()

    async def there() -> bool:
        return len(await scheduled(rig)) == 2

    await rig.until(there)
    await do_what_is_due(rig)
    left_out = await scheduled(rig)
    assert {job.server_name for job in left_out} == {"web1", "web2"}
    for job in left_out:
        assert job.state is JobState.SKIPPED
        assert job.error is not None
        assert (job.error.code, f"`phoenix job retry {job.id}`" in job.error.hint) == ("run_missed", True)
        due = f"{clock.now():%Y-%m-%d} 02:00 UTC"
        assert f"The backup of {job.server_name} that was due at {due} could not begin then" in job.error.message
        assert not any("it is made up for" in line.text for line in await rig.client.job_log(job.id))
    again = await rig.client.retry(left_out[0].id)
    assert (await rig.ended(again.id)).state is JobState.SUCCESSFUL
    await the_night_comes(rig, clock, 4)
    assert [job.state for job in await scheduled(rig)].count(JobState.SKIPPED) == 2


@pytest.mark.parametrize("how", ["group set", "policy set later", "config apply"])
async def test_a_group_without_rules_has_its_servers_backups_skipped_and_named(
    rig: Rig, clock: MovedClock, how: str
) -> None:
    await rig.agent()
    nightly = BackupPolicy(name="nightly", schedule=("daily at 02:00",), retries=1, retry_delay_s=0)
    group = ServerGroup("web", policy="nightly", servers=("web1",))
    if how == "config apply":
        await rig.client.apply_config(Config(policies=(nightly,), groups=(group,)))
    else:
        later = how == "policy set later"
        await rig.client.put_policy("nightly", BackupPolicy(name="nightly") if later else nightly)
        await rig.client.put_group("web", group)
        await rig.client.put_policy("nightly", nightly)
    ended = await rig.ended((await the_night_comes(rig, clock)).id)
    assert (ended.state, ended.title) == (JobState.SKIPPED, "Backup of web1: nothing")
    assert ended.error is not None
    assert (ended.error.code, "phoenix group set web --rule" in ended.error.hint) == ("group_without_rules", True)
    assert "Group web has no content rules" in ended.error.message
    await do_what_is_due(rig)
    assert len(await scheduled(rig)) == 1
    await rig.client.put_rule("web", ContentRule(name="web", paths=("/srv",)))
    await rig.client.put_group("web", msgspec.structs.replace(group, rules=("web",)))
    with pytest.raises(RemoteError, match=r"had nothing to back up: .* no content rules then") as refused:
        await rig.client.retry(ended.id)
    assert "`phoenix backup web1`" in refused.value.what_to_do
    again = await the_night_comes(rig, clock, 2)
    assert (await rig.ended(again.id)).state is JobState.SUCCESSFUL


async def test_a_backup_whose_last_one_still_runs_is_skipped(rig: Rig, clock: MovedClock) -> None:
    agent = await rig.agent()
    await protect(rig)
    agent.on_backup = until_cancelled
    first = await the_night_comes(rig, clock)
    await rig.in_state(first.id, JobState.RUNNING)
    second = await the_night_comes(rig, clock, 2)
    ended = await rig.ended(second.id)
    assert ended.state is JobState.SKIPPED
    assert ended.error is not None
    assert first.id in ended.error.message
    assert (await rig.client.job(first.id)).state is JobState.RUNNING


async def test_retention_removes_what_the_policy_does_not_keep(rig: Rig, clock: MovedClock) -> None:
    await rig.agent()
    await protect(rig, retention=Retention(last=2))
    for count in range(1, 4):
        await rig.ended((await the_night_comes(rig, clock, count)).id)
    taken = [snapshot.id for snapshot in await rig.client.snapshots()]
    assert len(taken) == 3
    going = [verdict.snapshot_id for verdict in await rig.client.retention_of("nightly") if not verdict.reasons]
    assert going == taken[2:]
    clock.move_to(6)
    await do_what_is_due(rig)

    async def applied() -> bool:
        found = await rig.client.jobs(kind=JobKind.RETENTION)
        return bool(found) and found[0].result.get("removed") == 1

    await rig.until(applied)
    assert [snapshot.id for snapshot in await rig.client.snapshots()] == taken[:2]
    job, *_ = await rig.client.jobs(kind=JobKind.RETENTION)
    assert job.result == {"kept": 2, "removed": 1}


async def test_at_the_end_of_its_window_a_backup_is_stopped(rig: Rig, clock: MovedClock) -> None:
    agent = await rig.agent()
    await protect(rig, window=("22:00-05:00",))
    agent.on_backup = until_cancelled
    job = await the_night_comes(rig, clock)
    await rig.in_state(job.id, JobState.RUNNING)
    clock.move_to(5)
    await do_what_is_due(rig)
    ended = await rig.ended(job.id)
    assert ended.state is JobState.CANCELLED
    assert ended.error is not None
    assert "the end of the backup window of policy nightly" in ended.error.message


async def test_a_run_that_is_made_up_for_outside_of_the_window_is_skipped(rig: Rig, clock: MovedClock) -> None:
    await rig.agent()
    await protect(rig, window=("22:00-05:00",))
    await rig.stop()
    clock.move_to(9)
    await rig.start()

    async def there() -> bool:
        return bool(await scheduled(rig))

    await rig.until(there)
    (job,) = await scheduled(rig)
    assert (await rig.ended(job.id)).state is JobState.SKIPPED


async def test_without_its_pre_script_a_backup_is_skipped(rig: Rig, clock: MovedClock) -> None:
    agent = await rig.agent()
    await protect(rig, pre_script="dump.sh", bandwidth=("5M",))

    async def without(agent_: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
        assert isinstance(order, BackupOrder)
        assert (order.pre_script, order.bandwidth, order.time_zone) == ("dump.sh", ("5M",), "UTC")
        error = PreScriptFailed(reason="The script dump.sh ended with exit code 1.", advice="Mend it.")
        await agent_.report(order.job, JobFailed(error.view()))

    agent.on_backup = without
    job = await the_night_comes(rig, clock)
    ended = await rig.ended(job.id)
    assert ended.state is JobState.SKIPPED
    assert ended.error is not None
    assert "dump.sh ended with exit code 1" in ended.error.message


async def test_what_a_policy_keeps_by_now_is_not_removed(rig: Rig, clock: MovedClock) -> None:
    """The plan is made anew where a policy changes while its removals go on."""
    await rig.agent()
    await protect(rig)
    for count in range(1, 5):
        await rig.ended((await the_night_comes(rig, clock, count)).id)
    taken = [snapshot.id for snapshot in await rig.client.snapshots()]
    policy = await rig.client.policy("nightly")
    await rig.client.put_policy("nightly", msgspec.structs.replace(policy, retention=Retention(last=1)))
    job = await rig.client.apply_retention()

    async def one_is_gone() -> bool:
        return len(await rig.client.snapshots()) < len(taken)

    await rig.until(one_is_gone)
    await rig.client.put_policy("nightly", policy)
    await rig.ended(job.id)
    left = [snapshot.id for snapshot in await rig.client.snapshots()]
    assert taken[0] in left


async def test_switching_retention_on_removes_nothing_before_its_time(rig: Rig, clock: MovedClock) -> None:
    await rig.agent()
    await protect(rig, retention=Retention(last=1))
    await rig.client.set_setting("retention.schedule", "off")
    for count in range(1, 3):
        await rig.ended((await the_night_comes(rig, clock, count)).id)
    clock.move_to(15)
    await do_what_is_due(rig)
    await rig.client.set_setting("retention.schedule", "daily at 06:00")
    await do_what_is_due(rig)
    assert await rig.client.jobs(kind=JobKind.RETENTION) == []
    clock.move_to(6)
    await do_what_is_due(rig)
    assert len(await rig.client.jobs(kind=JobKind.RETENTION)) == 1
