"""Alerts through a whole core: they come with what happened, and go by themselves."""

import asyncio

import msgspec
import pytest

from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.agentlink.reports import MissingFile
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.domain.alerts import AlertKind, AlertState, AlertView, Severity
from phoenix_core.domain.errors import ErrorView, RemoteError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.policies import BackupPolicy, ContentRule, ServerGroup
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import JobView
from phoenix_core.vault.layout import snapshot_name
from tests.engine.fake_agent import FakeAgent, back_up, failing
from tests.engine.moved_clock import MovedClock
from tests.engine.rig import Rig


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def backed_up(rig: Rig) -> JobView:
    return await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)


async def alert(rig: Rig, kind: AlertKind) -> AlertView:
    """The active alert of this kind, once there is one."""
    await rig.until(lambda: _is_there(rig, kind))
    (found,) = [each for each in await rig.client.alerts() if each.kind is kind]
    return found


async def _is_there(rig: Rig, kind: AlertKind) -> bool:
    return any(each.kind is kind for each in await rig.client.alerts())


async def over(rig: Rig, alert_id: str) -> AlertView:
    """The alert, once it is over."""

    async def gone() -> bool:
        return not (await rig.client.alert(alert_id)).is_active

    await rig.until(gone)
    return await rig.client.alert(alert_id)


async def look(rig: Rig) -> None:
    assert rig.core is not None
    await rig.core.do_what_is_due()


async def away(rig: Rig, agent: FakeAgent) -> None:
    """Once the core knows that the agent is."""

    async def known() -> bool:
        return not (await rig.client.server("web1")).connected

    await agent.disconnect()
    await rig.until(known)


async def with_errors(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
    assert isinstance(order, BackupOrder)
    result = await agent.upload(order)
    missing = (MissingFile(path="/srv/locked", reason="EBUSY"),)
    await agent.report(order.job, msgspec.structs.replace(result, missing=missing, missing_count=1))


async def test_a_failed_backup_is_one_alert_until_the_next_good_one(rig: Rig, agent: FakeAgent) -> None:
    agent.on_backup = failing
    first = await backed_up(rig)
    raised = await alert(rig, AlertKind.BACKUP_FAILED)
    assert (raised.subject, raised.severity, raised.count) == ("web1", Severity.ERROR, 1)
    assert raised.job_id == first.id
    assert "the disk burns" in raised.text
    assert f"phoenix job show {first.id}" in raised.hint
    second = await backed_up(rig)

    async def counted() -> bool:
        return (await rig.client.alert(raised.id)).count == 2

    await rig.until(counted)
    (still,) = await rig.client.alerts()
    assert (still.id, still.job_id) == (raised.id, second.id)
    assert still.first_seen_at < still.last_seen_at
    agent.on_backup = back_up
    good = await backed_up(rig)
    resolved = await over(rig, raised.id)
    assert resolved.resolved_why.startswith(f"Backup {good.id} ended ")
    assert await rig.client.alerts() == []
    assert [each.id for each in await rig.client.alerts(AlertState.RESOLVED)] == [raised.id]


async def test_a_backup_that_missed_files_is_a_warning_until_one_that_does_not(rig: Rig, agent: FakeAgent) -> None:
    agent.on_backup = with_errors
    await backed_up(rig)
    raised = await alert(rig, AlertKind.BACKUP_WITH_ERRORS)
    assert (raised.severity, raised.text) == (Severity.WARNING, "The last backup of web1 could not read 1 entry.")
    agent.on_backup = back_up
    await backed_up(rig)
    await over(rig, raised.id)


async def test_what_happened_while_the_core_was_down_is_found_at_its_start(rig: Rig, agent: FakeAgent) -> None:
    job = await backed_up(rig)
    await rig.stop()
    catalog = await Catalog.open_file(rig.data.catalog)
    error = ErrorView("agent_lost", "The agent of web1 did not come back.", "Look there.")
    known = await Jobs(catalog).get(job.id)
    assert known is not None
    lost = msgspec.structs.replace(known, id="jlost", state=JobState.ABORTED, error=error, snapshot_id="")
    await Jobs(catalog).add(lost, [])
    await catalog.close()
    await rig.start()
    raised = await alert(rig, AlertKind.BACKUP_FAILED)
    assert raised.text == "The last backup of web1 was aborted: The agent of web1 did not come back."
    await rig.restart()
    assert [each.id for each in await rig.client.alerts()] == [raised.id]


async def test_a_failure_that_its_policy_tries_again_is_none_until_the_last_try(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    agent.on_backup = failing
    policy = BackupPolicy("nightly", ("daily at 02:00",), retries=1, retry_delay_s=600)
    await rig.client.put_policy("nightly", policy)
    await rig.client.put_rule("web", ContentRule("web", paths=("/srv",)))
    await rig.client.put_group("web", ServerGroup("web", policy="nightly", rules=("web",), servers=("web1",)))

    async def ends(count: int) -> bool:
        jobs = [job for job in await rig.client.jobs(kind=JobKind.FILE_BACKUP) if job.state is JobState.FAILED]
        return len(jobs) == count

    clock.move_to(2)
    await look(rig)
    await rig.until(lambda: ends(1))
    await look(rig)
    clock.let_pass(660)
    await look(rig)
    await rig.until(lambda: ends(2))
    raised = await alert(rig, AlertKind.BACKUP_FAILED)
    assert raised.count == 2
    assert (await rig.client.job(raised.job_id)).attempt == 2


async def test_an_agent_that_is_away_for_long_is_an_alert_also_after_a_restart(
    rig: Rig, agent: FakeAgent, clock: MovedClock
) -> None:
    await away(rig, agent)
    clock.move_to(13)
    await look(rig)
    raised = await alert(rig, AlertKind.AGENT_AWAY)
    assert (raised.subject, raised.severity) == ("web1", Severity.WARNING)
    await rig.restart()
    await look(rig)
    assert [each.id for each in await rig.client.alerts()] == [raised.id]
    agent.dial(rig.core.link_url if rig.core else "")
    await agent.start()
    assert (await over(rig, raised.id)).resolved_why == "The agent is connected again."


async def test_a_removed_server_has_no_alerts(rig: Rig, agent: FakeAgent, clock: MovedClock) -> None:
    await away(rig, agent)
    clock.move_to(13)
    await look(rig)
    raised = await alert(rig, AlertKind.AGENT_AWAY)
    await rig.client.remove_server("web1", typed="web1")
    assert (await over(rig, raised.id)).resolved_why == "The server was removed."


async def test_lost_snapshots_are_found_without_being_asked_for(rig: Rig, agent: FakeAgent) -> None:
    job = await backed_up(rig)
    stored = rig.data.vault / snapshot_name(SnapshotId(job.snapshot_id))
    away = rig.root / "away"
    await asyncio.to_thread(stored.rename, away)
    await rig.restart()
    raised = await alert(rig, AlertKind.SNAPSHOTS_LOST)
    assert (raised.severity, raised.subject) == (Severity.CRITICAL, "web1")
    assert "1 snapshot of web1 can't be read" in raised.text
    await asyncio.to_thread(away.rename, stored)
    await rig.client.doctor()
    await over(rig, raised.id)


async def test_an_alert_is_acknowledged_and_stays_active(rig: Rig, agent: FakeAgent) -> None:
    agent.on_backup = failing
    await backed_up(rig)
    raised = await alert(rig, AlertKind.BACKUP_FAILED)
    known = await rig.client.acknowledge(raised.id[:6], "new disk\non Monday")
    assert (known.is_active, known.note) == (True, "new disk on Monday")
    assert known.acknowledged_by == (await rig.client.audit(limit=1))[0].who
    await rig.restart()
    assert (await rig.client.alert(raised.id)).note == "new disk on Monday"
    agent.dial(rig.core.link_url if rig.core else "")
    agent.on_backup = back_up
    await rig.until(lambda: _connected(rig))
    await backed_up(rig)
    await over(rig, raised.id)
    with pytest.raises(RemoteError, match="is over"):
        await rig.client.acknowledge(raised.id)
    with pytest.raises(RemoteError, match="no alert named wi"):
        await rig.client.alert("wi")  # ids have no i


async def _connected(rig: Rig) -> bool:
    return (await rig.client.server("web1")).connected


async def test_alerts_travel_as_events(rig: Rig, agent: FakeAgent) -> None:
    agent.on_backup = failing
    before = (await rig.events_until(lambda event: event.kind == "reset"))[-1].number
    await backed_up(rig)
    events = await rig.events_until(lambda event: event.alert is not None, before)
    assert events[-1].kind == "alert"
    assert events[-1].alert is not None
    assert events[-1].alert.kind is AlertKind.BACKUP_FAILED
