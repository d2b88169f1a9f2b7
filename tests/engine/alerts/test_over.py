"""That something is over is told once it is, and with what ended it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from phoenix_core.catalog.backup_ends import BackupEnds
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.peers import Peers
from phoenix_core.catalog.rows import CertificateRow, GroupRow, JobRow, PeerRow, PolicyRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.policies import BackupPolicy
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.alerts.backups import BackupSource
from phoenix_core.engine.alerts.board import AlertBoard
from phoenix_core.engine.alerts.condition import Condition
from phoenix_core.engine.alerts.overdue import Overdue
from phoenix_core.engine.alerts.subjects import Subjects
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from tests.engine.fake_clock import FakeClock
from tests.engine.notifications.bench import Bench, failed

DAY = timedelta(days=1)
POLICY = BackupPolicy("nightly", ("daily at 02:00",), retries=2, retry_delay_s=600)


class Backups:
    """The backups of web1, which its policy tries three times, and the alerts of them."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.jobs = Jobs(bench.catalog)
        self.directory = PeerDirectory(Peers(bench.catalog))
        subjects = Subjects(self.directory, bench.book.has)
        self.board = AlertBoard(
            bench.alerts, bench.events, bench.book.notices, lambda: None, subjects.why_gone, bench.clock
        )
        overdue = Overdue(bench.settings, Facts(bench.catalog))
        self.source = BackupSource(BackupEnds(bench.catalog), self.directory, Attached(bench.policies), overdue)
        self._count = 0

    async def set_up(self) -> None:
        now = self.bench.clock.now()
        peer = PeerRow("web1", "agent", "web1", "web1", "Linux", "1", now - 100 * DAY)
        await self.directory.add(peer, CertificateRow("c1", "web1", b"", now, now + 90 * DAY))
        await self.bench.policies.put_policy(PolicyRow("p1", "nightly", POLICY))
        await self.bench.policies.put_group(GroupRow("g1", "web", "p1", now, (), ("web1",)))

    async def ends(self, state: JobState, attempt: int = 1) -> None:
        """A backup ends so; then the alerts are looked at."""
        self._count += 1
        self.bench.clock.move(600)
        now = self.bench.clock.now()
        row = JobRow(
            f"j{self._count}", JobKind.FILE_BACKUP, state, "", "web1", "web1", "policy nightly", now, "{}",
            finished_at=now, attempt=attempt,
        )  # fmt: skip
        await self.jobs.add(row, [])
        await self.look()

    async def look(self) -> None:
        self.source.forget()
        await self.board.apply(await self.source.look(self.bench.clock.now()), self.bench.clock.now())

    @property
    def active(self) -> list[AlertKind]:
        return sorted(row.kind for row in self.board.active())


@pytest.fixture
async def backups(tmp_path: Path) -> AsyncIterator[Backups]:
    bench = Bench(tmp_path / "data", FakeClock())
    await bench.open()
    made = Backups(bench)
    await made.set_up()
    yield made
    await bench.close()


async def test_while_a_retry_is_coming_nothing_that_failed_before_is_over(backups: Backups) -> None:
    await backups.ends(JobState.FAILED, attempt=3)
    (first,) = backups.board.active()
    assert first.kind is AlertKind.BACKUP_FAILED
    await backups.ends(JobState.FAILED, attempt=1)
    assert backups.board.active() == [first]
    await backups.ends(JobState.FAILED, attempt=2)
    await backups.ends(JobState.FAILED, attempt=3)
    (last,) = backups.board.active()
    assert (last.id, last.count, last.job_id) == (first.id, 4, "j4")
    assert await backups.bench.alerts.resolved_since(first.first_seen_at - DAY) == []
    await backups.ends(JobState.SUCCESSFUL)
    (over,) = await backups.bench.alerts.resolved_since(first.first_seen_at - DAY)
    assert over.resolved_why.startswith("Backup j5 ended ")
    assert over.resolved_why.endswith(": successful.")


async def test_a_skipped_backup_isn_t_over_by_one_that_is_about_to_be_tried_again(backups: Backups) -> None:
    await backups.ends(JobState.SKIPPED)
    await backups.ends(JobState.FAILED)
    assert backups.active == [AlertKind.BACKUP_SKIPPED]
    await backups.ends(JobState.FAILED, attempt=3)
    assert backups.active == [AlertKind.BACKUP_FAILED]


async def test_a_backup_that_missed_files_isn_t_mended_by_one_that_failed(backups: Backups) -> None:
    await backups.ends(JobState.SUCCESSFUL_WITH_ERRORS)
    assert backups.active == [AlertKind.BACKUP_WITH_ERRORS]
    await backups.ends(JobState.FAILED)
    assert backups.active == [AlertKind.BACKUP_WITH_ERRORS]
    await backups.ends(JobState.FAILED, attempt=3)
    assert backups.active == [AlertKind.BACKUP_FAILED, AlertKind.BACKUP_WITH_ERRORS]
    texts = [row.text for row in backups.board.active()]
    assert "The last backup of web1 that made a snapshot ended with errors." in texts
    await backups.ends(JobState.SUCCESSFUL)
    assert backups.active == []


async def test_what_is_over_since_its_server_was_removed_says_so(backups: Backups) -> None:
    await backups.ends(JobState.FAILED, attempt=3)
    backups.bench.clock.move(20 * DAY.total_seconds())
    await backups.look()
    assert backups.active == [AlertKind.BACKUP_FAILED, AlertKind.NO_BACKUP]
    await backups.directory.revoke("web1", backups.bench.clock.now(), 0)
    await backups.look()
    over = await backups.bench.alerts.resolved_since(backups.bench.clock.now() - 100 * DAY)
    assert [row.resolved_why for row in over] == ["The server was removed."] * 2


async def test_what_is_over_since_its_channel_was_removed_says_so(backups: Backups) -> None:
    failing = Condition(AlertKind.NOTIFICATION_FAILING, "c1", "ops", Severity.ERROR, "Nothing gets through.", "Look.")
    found = await backups.bench.failing.look(backups.bench.clock.now())
    found.conditions.append(failing)
    await backups.board.apply(found, backups.bench.clock.now())
    found.conditions.clear()
    await backups.board.apply(found, backups.bench.clock.now())
    (over,) = await backups.bench.alerts.resolved_since(backups.bench.clock.now() - DAY)
    assert over.resolved_why == "The channel was removed."


async def test_what_can_t_be_told_yet_stays_as_it_is(backups: Backups) -> None:
    now = backups.bench.clock.now()
    found = await backups.source.look(now)
    found.conditions = [failed("web1"), msgspec.structs.replace(failed("web1"), kind=AlertKind.BACKUP_SKIPPED)]
    await backups.board.apply(found, now)
    found.conditions, found.undecided = [], {(AlertKind.BACKUP_FAILED, "web1")}
    await backups.board.apply(found, now)
    assert backups.active == [AlertKind.BACKUP_FAILED]
