"""What the sources of alerts find, on a real catalog with a clock that stands."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from phoenix_core.catalog.backup_ends import BackupEnds
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.drills import Drills
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.peers import Peers
from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.rows import CertificateRow, DrillRow, GroupRow, JobRow, PeerRow, PolicyRow
from phoenix_core.catalog.settings import Facts, StoredSettings
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.drills import DrillOutcome
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.policies import BackupPolicy
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.alerts import machine
from phoenix_core.engine.alerts.agents import AgentSource
from phoenix_core.engine.alerts.backups import will_be_tried_again
from phoenix_core.engine.alerts.drills import DrillSource
from phoenix_core.engine.alerts.machine import MachineSource
from phoenix_core.engine.alerts.overdue import Overdue
from phoenix_core.engine.alerts.upkeep import UpkeepSource
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault_space import Space, judged
from phoenix_core.host.errors import SpaceUnknown
from tests.engine.fake_clock import FakeClock

DAY = timedelta(days=1)
NIGHTLY = BackupPolicy("nightly", ("daily at 02:00",))
WEEKLY = BackupPolicy("weekly", ("weekly on sun at 02:00",))
BY_HAND = BackupPolicy("by hand")
FRIDAYS = BackupPolicy("fridays", ("*/30 * * * *",), window=("fri 00:00-06:00",))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    opened = await Catalog.open_file(tmp_path / "catalog.sqlite")
    yield opened
    await opened.close()


@pytest.fixture
async def settings(catalog: Catalog, clock: FakeClock) -> Settings:
    made = Settings(StoredSettings(catalog), clock)
    await made.load()
    return made


def peer(clock: FakeClock, name: str = "web1") -> PeerRow:
    return PeerRow(name, "agent", name, name, "Linux", "1", clock.now() - 100 * DAY)


def job(clock: FakeClock, kind: JobKind, state: JobState, number: int = 1, **values: object) -> JobRow:
    at = clock.now() + timedelta(minutes=number)
    return JobRow(f"j{number}", kind, state, f"Job {number}", "web1", "", "root", at, "{}", finished_at=at, **values)  # type: ignore[arg-type]


# --- no backup for too long -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "age", "alert"),
    [
        (NIGHTLY, 2.9 * DAY, False),
        (NIGHTLY, 3.1 * DAY, True),
        (WEEKLY, 3 * DAY, False),  # nothing was due yet
        (WEEKLY, 9 * DAY, True),
        (FRIDAYS, 3.1 * DAY, False),  # its window was not open since
        (FRIDAYS, 6 * DAY, True),
        (None, 13 * DAY, False),
        (None, 15 * DAY, True),
        (BY_HAND, 13 * DAY, False),
        (BY_HAND, 15 * DAY, True),
    ],
)
async def test_a_server_without_a_good_backup_for_too_long(
    catalog: Catalog, settings: Settings, clock: FakeClock, policy: BackupPolicy | None, age: timedelta, alert: bool
) -> None:
    overdue = Overdue(settings, Facts(catalog))
    policies = {"web1": policy} if policy else {}
    good = {"web1": {"": clock.now() - age}}
    found = await overdue.of([peer(clock)], good, policies, {}, clock.now())
    assert bool(found.conditions) is alert
    assert all((each.kind, each.severity) == (AlertKind.NO_BACKUP, Severity.ERROR) for each in found.conditions)
    await settings.put("alert.no_backup_days", "0", "root")
    await settings.put("alert.no_backup_by_hand_days", "0", "root")
    none = await overdue.of([peer(clock)], good, policies, {}, clock.now())
    assert none.conditions == []
    assert "is 0: no backup is missed" in none.over[AlertKind.NO_BACKUP, "web1"]


async def test_one_that_was_only_enrolled_misses_nothing_until_it_is_on_a_schedule(
    catalog: Catalog, settings: Settings, clock: FakeClock
) -> None:
    servers = [peer(clock)]
    assert (await Overdue(settings, Facts(catalog)).of(servers, {}, {}, {}, clock.now())).conditions == []
    policies = {"web1": NIGHTLY}
    assert (await Overdue(settings, Facts(catalog)).of(servers, {}, policies, {}, clock.now())).conditions == []
    clock.move((4 * DAY).total_seconds())  # over a restart
    (found,) = (await Overdue(settings, Facts(catalog)).of(servers, {}, policies, {}, clock.now())).conditions
    assert "there is no good one" in found.text


# --- retries ----------------------------------------------------------------------------------------------------------


async def test_a_retry_is_waited_for_only_as_long_as_it_may_come(clock: FakeClock) -> None:
    policy = BackupPolicy("nightly", ("daily at 02:00",), retries=2, retry_delay_s=600)
    failed = JobRow(
        "j1", JobKind.FILE_BACKUP, JobState.FAILED, "", "web1", "web1", "policy nightly", clock.now(), "{}",
        finished_at=clock.now(), ended_seen_s=5000,
    )  # fmt: skip
    at = clock.now()
    ZoneInfo.clear_cache()  # to be read anew, beside the event loop
    assert await will_be_tried_again(failed, policy, at, 5000)
    assert await will_be_tried_again(failed, policy, at, 5000 + 19 * 60)
    assert not await will_be_tried_again(failed, policy, at, 5000 + 21 * 60)
    assert await will_be_tried_again(failed, policy, at - DAY, 5060)  # the clock was set back: so it is
    assert not await will_be_tried_again(failed, None, at, 5000)
    shut = BackupPolicy("nightly", ("daily at 02:00",), window=("02:00-03:05",), retries=2, retry_delay_s=600)
    assert not await will_be_tried_again(failed, shut, at, 5000)


# --- agents and certificates ------------------------------------------------------------------------------------------


async def test_an_agent_gets_its_time_after_a_start_of_the_core(
    catalog: Catalog, settings: Settings, clock: FakeClock
) -> None:
    directory = PeerDirectory(Peers(catalog))
    began = clock.now()
    await directory.add(peer(clock), CertificateRow("c1", "web1", b"", began - 80 * DAY, began + 10 * DAY))
    source = AgentSource(directory, settings, lambda kind, subject: False, began, ends_soon=False)
    found = await source.look(clock.now() + timedelta(minutes=29))
    assert [each.kind for each in found.conditions] == [AlertKind.CERTIFICATE_ENDING]
    found = await source.look(clock.now() + timedelta(minutes=31))
    assert [each.kind for each in found.conditions] == [AlertKind.AGENT_AWAY, AlertKind.CERTIFICATE_ENDING]
    assert found.conditions[1].severity is Severity.WARNING
    ended = (await source.look(clock.now() + 11 * DAY)).conditions[1]
    assert (ended.severity, "has ended" in ended.text) == (Severity.ERROR, True)
    await settings.put("alert.agent_away_s", "0", "root")
    found = await source.look(clock.now() + DAY)
    assert [each.kind for each in found.conditions] == [AlertKind.CERTIFICATE_ENDING]
    assert "no agent is missed" in found.over[AlertKind.AGENT_AWAY, "web1"]


# --- upkeep -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [JobKind.RETENTION, JobKind.SNAPSHOT_REMOVE])
async def test_upkeep_that_failed_is_an_alert_until_a_later_run_goes_well(
    catalog: Catalog, clock: FakeClock, kind: JobKind
) -> None:
    jobs = Jobs(catalog)
    source = UpkeepSource(jobs)
    assert (await source.look(clock.now())).conditions == []
    error = ErrorView("storage_unreachable", "The storage node does not answer.", "See that it runs.")
    await jobs.add(job(clock, kind, JobState.FAILED, 1, error=error), [])
    damage = ErrorView("damage_found", "The vault is damaged.", "")
    await jobs.add(job(clock, JobKind.VERIFY, JobState.FAILED, 2, error=damage), [])
    source.forget()
    (found,) = (await source.look(clock.now())).conditions  # damage is an alert of its own
    assert (found.subject, found.severity, found.job_id) == (kind.replace("_", " "), Severity.WARNING, "j1")
    assert found.text == "Job 1 failed: The storage node does not answer."
    await jobs.add(job(clock, kind, JobState.SUCCESSFUL, 3), [])
    source.forget()
    good = await source.look(clock.now())
    assert good.conditions == []
    assert good.over[AlertKind.UPKEEP_FAILED, kind].endswith(": successful.")
    assert "it found damage, which is an alert of its own" in good.over[AlertKind.UPKEEP_FAILED, "verify"]


async def test_upkeep_by_a_clock_that_was_ahead_hides_none_after_it(catalog: Catalog, clock: FakeClock) -> None:
    jobs = Jobs(catalog)
    source = UpkeepSource(jobs)
    in_thirty_days = 30 * 24 * 60
    await jobs.add(job(clock, JobKind.PRUNE, JobState.SUCCESSFUL, in_thirty_days, ended_seen_s=100.0), [])
    await jobs.add(job(clock, JobKind.PRUNE, JobState.FAILED, 2, ended_seen_s=200.0), [])
    (found,) = (await source.look(clock.now())).conditions
    assert (found.subject, found.job_id) == ("prune", "j2")
    await jobs.add(job(clock, JobKind.PRUNE, JobState.SUCCESSFUL, 3, ended_seen_s=300.0), [])
    source.forget()
    assert (await source.look(clock.now())).conditions == []


# --- drills -----------------------------------------------------------------------------------------------------------


async def test_a_drill_that_failed_is_critical_and_one_that_is_asked_for_is_missed(
    catalog: Catalog, settings: Settings, clock: FakeClock
) -> None:
    directory, policies, drills = PeerDirectory(Peers(catalog)), Policies(catalog), Drills(catalog)
    now = clock.now()
    await directory.add(peer(clock), CertificateRow("c1", "web1", b"", now, now + 90 * DAY))
    source = DrillSource(drills, BackupEnds(catalog), directory, Attached(policies), settings)

    def drill(outcome: DrillOutcome, ago: timedelta) -> DrillRow:
        snapshot = (("0" * 64), now - 100 * DAY)
        return DrillRow(f"j{ago.days}", "web1", "web1", "web1", *snapshot, now - ago, outcome, "root", "all", "s")

    async def found() -> list[AlertKind]:
        return [each.kind for each in (await source.look(now)).conditions]

    assert await found() == []
    await drills.put(msgspec.structs.replace(drill(DrillOutcome.PROVED, 40 * DAY)))
    assert await found() == []  # nobody asks for drills
    await policies.put_policy(PolicyRow("p1", "monthly", BackupPolicy("monthly", drill=("monthly on 1 at 05:00",))))
    await policies.put_group(GroupRow("g1", "web", "p1", now, (), ("web1",)))
    assert await found() == [AlertKind.PROOF_OLD]
    await drills.put(msgspec.structs.replace(drill(DrillOutcome.FAILED, 3 * DAY), failure_count=2))
    await drills.put(drill(DrillOutcome.BROKEN_OFF, 2 * DAY))  # no verdict
    (failed, _) = (await source.look(now)).conditions
    assert (failed.kind, failed.severity, failed.job_id) == (AlertKind.DRILL_FAILED, Severity.CRITICAL, "j3")
    assert "2 entries of web1" in failed.text
    await drills.put(drill(DrillOutcome.PROVED, DAY))
    assert await found() == []


# --- the machine ------------------------------------------------------------------------------------------------------


async def test_a_clock_that_is_set_is_told_for_a_day(catalog: Catalog, clock: FakeClock, tmp_path: Path) -> None:
    source = MachineSource(tmp_path, Facts(catalog), clock)

    async def told() -> list[str]:
        found = await source.look(clock.now())
        return [each.text for each in found.conditions if each.kind is AlertKind.CLOCK_JUMPED]

    assert await told() == []
    clock.move(3600)
    assert await told() == []
    clock.at += 30 * DAY
    (text,) = await told()
    assert "was set on by 30 days" in text
    clock.move(3600)
    again = MachineSource(tmp_path, Facts(catalog), clock)  # after a restart
    assert [each.kind for each in (await again.look(clock.now())).conditions] == [AlertKind.CLOCK_JUMPED]
    clock.at -= 30 * DAY
    (text,) = await told()
    assert "was set back by 30 days" in text
    clock.move(86_400)
    assert await told() == []


async def test_little_space_for_the_catalog_is_an_alert(
    catalog: Catalog, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "LOW_BYTES", 1 << 60)
    (found,) = (await MachineSource(tmp_path, Facts(catalog), clock).look(clock.now())).conditions
    assert (found.kind, found.severity) == (AlertKind.DISK_LOW, Severity.ERROR)
    monkeypatch.setattr(machine, "NONE_BYTES", 1 << 60)
    (found,) = (await MachineSource(tmp_path, Facts(catalog), clock).look(clock.now())).conditions
    assert found.severity is Severity.CRITICAL


async def test_space_that_can_t_be_told_ends_no_alert(
    catalog: Catalog, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(path: Path) -> None:
        raise SpaceUnknown(path=path, detail="I/O error")

    source = MachineSource(tmp_path, Facts(catalog), clock)
    assert AlertKind.DISK_LOW in (await source.look(clock.now())).told
    monkeypatch.setattr(machine, "space_at", unknown)
    assert AlertKind.DISK_LOW not in (await source.look(clock.now())).told


def test_space_is_judged_by_the_reserve_and_by_a_twentieth_of_all() -> None:
    assert judged(100, 1000, 100) is Space.NONE
    assert judged(299, 1000, 100) is Space.LOW
    assert judged(300, 1000, 100) is Space.ENOUGH
    assert judged(400, 10_000, 100) is Space.LOW
