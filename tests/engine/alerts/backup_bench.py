"""Backups of one server, as a catalog has them, and the alerts of them, on a clock that stands."""

from datetime import timedelta

import msgspec

from phoenix_core.catalog.backup_ends import BackupEnds
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.peers import Peers
from phoenix_core.catalog.rows import CertificateRow, GroupRow, JobRow, PeerRow, PolicyRow, RuleRow, SnapshotRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.alerts import AlertKind
from phoenix_core.domain.policies import BackupPolicy, ContentRule
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.streams import Stream, path_of
from phoenix_core.engine.alerts.backups import BackupSource
from phoenix_core.engine.alerts.board import AlertBoard
from phoenix_core.engine.alerts.overdue import Overdue
from phoenix_core.engine.alerts.subjects import Subjects
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.requests import BackupJob
from phoenix_core.engine.seen_time import SeenTime
from tests.engine.notifications.bench import Bench

DAY = timedelta(days=1)
POLICY = BackupPolicy("nightly", ("daily at 02:00",), retries=2, retry_delay_s=600)


class Backups:
    """The backups of web1, which its policy tries three times, and the alerts of them."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.jobs = Jobs(bench.catalog)
        self.snapshots = Snapshots(bench.catalog)
        self.directory = PeerDirectory(Peers(bench.catalog))
        subjects = Subjects(self.directory, bench.book.has)
        self.board = AlertBoard(
            bench.alerts, bench.events, bench.book.notices, lambda: None, subjects.why_gone, bench.clock
        )
        facts, attached = Facts(bench.catalog), Attached(bench.policies)
        self.seen = SeenTime(facts, bench.clock)
        overdue = Overdue(bench.settings, facts)
        self.source = BackupSource(BackupEnds(bench.catalog), self.directory, attached, overdue, self.seen)
        self._count = 0

    async def set_up(self) -> None:
        now = self.bench.clock.now()
        peer = PeerRow("web1", "agent", "web1", "web1", "Linux", "1", now - 100 * DAY)
        await self.directory.add(peer, CertificateRow("c1", "web1", b"", now, now + 90 * DAY))
        await self.bench.policies.put_policy(PolicyRow("p1", "nightly", POLICY))
        await self.bench.policies.put_group(GroupRow("g1", "web", "p1", now, (), ("web1",)))

    async def has_rules(self, *rules: ContentRule) -> None:
        """Its group's."""
        for rule in rules:
            await self.bench.policies.put_rule(RuleRow(rule.name, rule.name, rule))
        names = tuple(rule.name for rule in rules)
        await self.bench.policies.put_group(GroupRow("g1", "web", "p1", self.bench.clock.now(), names, ("web1",)))

    async def ends(
        self, state: JobState, attempt: int = 1, stream: str = "", asks: str = "policy nightly", by: str = ""
    ) -> None:
        """A backup ends so, of its files or of this stream, cancelled `by` whom; then the alerts are looked at."""
        self._count += 1
        self.bench.clock.move(600)
        now = self.bench.clock.now()
        paths = (path_of(stream),) if stream else ("/srv",)
        asked = BackupJob("web1", paths, stream=Stream(stream, "dump.sh") if stream else None)
        request = msgspec.json.encode(asked).decode()
        row = JobRow(
            f"j{self._count}", JobKind.FILE_BACKUP, state, "", "web1", "web1", asks, now, request,
            finished_at=now, attempt=attempt, cancelled_by=by, ended_seen_s=self.seen.now_s,
        )  # fmt: skip
        await self.jobs.add(row, [])
        if state in {JobState.SUCCESSFUL, JobState.SUCCESSFUL_WITH_ERRORS}:
            taken = SnapshotRow(
                f"{self._count:064x}", self._count, "web1", "web1", b"", now, now, paths, 0, 0, 0, 0, 0, row.id, "",
                "web1", "", 1, (),
            )  # fmt: skip
            await self.snapshots.put(taken)
        await self.look()

    async def is_on_no_schedule(self) -> None:
        await self.bench.policies.put_policy(PolicyRow("p1", "nightly", BackupPolicy("nightly")))
        await self.look()

    async def look(self) -> None:
        self.source.forget()
        await self.board.apply(await self.source.look(self.bench.clock.now()), self.bench.clock.now())

    async def later(self, days: int) -> None:
        """So many days pass; then the alerts are looked at."""
        self.bench.clock.move(days * DAY.total_seconds())
        await self.look()

    @property
    def active(self) -> list[AlertKind]:
        return sorted(row.kind for row in self.board.active())

    @property
    def subjects(self) -> list[tuple[AlertKind, str]]:
        return sorted((row.kind, row.subject) for row in self.board.active())

    async def whys(self) -> dict[tuple[AlertKind, str], str]:
        """Of what is over: why."""
        over = await self.bench.alerts.resolved_since(self.bench.clock.now() - 100 * DAY)
        return {(row.kind, row.subject): row.resolved_why for row in over}
