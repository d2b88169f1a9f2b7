"""More dumps than usual, handed over by an agent itself: told, with what to do, and over after a week."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.handed_dumps import HandedDumps
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.peers import Peers
from phoenix_core.catalog.rows import CertificateRow, JobRow, PeerRow
from phoenix_core.catalog.settings import StoredSettings
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.streams import Stream, path_of
from phoenix_core.engine.alerts.condition import Condition
from phoenix_core.engine.alerts.handed import HandedSource
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.requests import BackupJob
from phoenix_core.engine.settings import Settings
from tests.engine.fake_clock import FakeClock

DAY_S = timedelta(days=1).total_seconds()


class Dumps:
    """What the agent of web1 hands over, on a clock that stands, and what is found in it."""

    def __init__(self, catalog: Catalog) -> None:
        self.clock = FakeClock()
        self.jobs = Jobs(catalog)
        self.directory = PeerDirectory(Peers(catalog))
        self.settings = Settings(StoredSettings(catalog), self.clock)
        self.source = HandedSource(HandedDumps(catalog), self.directory, self.settings)
        self._count = 0

    async def set_up(self) -> None:
        now = self.clock.now()
        peer = PeerRow("web1", "agent", "web1", "web1", "Linux", "1", now - timedelta(days=100))
        await self.directory.add(peer, CertificateRow("c1", "web1", b"", now, now + timedelta(days=90)))
        await self.settings.load()

    async def hands_over(
        self, count: int = 1, stream: str = "orders", *, handed: str = "t", snapshot: str = "x" * 64
    ) -> None:
        for _ in range(count):
            self._count += 1
            now = self.clock.now()
            asked = BackupJob("web1", (path_of(stream),), stream=Stream(stream, "" if handed else "dump.sh", handed))
            state = JobState.SUCCESSFUL if snapshot else JobState.FAILED
            row = JobRow(
                f"j{self._count}", JobKind.FILE_BACKUP, state, "", "web1", "web1", "agent of web1", now,
                msgspec.json.encode(asked).decode(), finished_at=now, snapshot_id=snapshot,
            )  # fmt: skip
            await self.jobs.add(row, [])

    async def for_days(self, days: int, a_day: int = 1, stream: str = "orders") -> None:
        for _ in range(days):
            await self.hands_over(a_day, stream)
            self.clock.move(DAY_S)

    async def found(self) -> list[Condition]:
        self.source.forget()
        return (await self.source.look(self.clock.now())).conditions


@pytest.fixture
async def dumps(tmp_path: Path) -> AsyncIterator[Dumps]:
    catalog = await Catalog.open_file(tmp_path / "catalog.sqlite")
    made = Dumps(catalog)
    await made.set_up()
    yield made
    await catalog.close()


async def test_a_flood_is_told_for_a_week_with_what_to_do(dumps: Dumps) -> None:
    await dumps.for_days(10)
    assert await dumps.found() == []
    await dumps.hands_over(11)
    (told,) = await dumps.found()
    assert (told.kind, told.severity, told.subject) == (
        AlertKind.STREAM_FLOODED, Severity.ERROR, "web1, stream orders"
    )  # fmt: skip
    assert "handed over 11 dumps of the stream orders by itself; on none of the 90 days before" in told.text
    assert "more than 1." in told.text
    assert "`phoenix server remove web1`" in told.hint
    dumps.clock.move(6 * DAY_S)
    assert await dumps.found() == [told]
    dumps.clock.move(DAY_S)
    assert await dumps.found() == []


async def test_one_that_goes_on_is_told_until_it_is_usual(dumps: Dumps) -> None:
    await dumps.for_days(10)
    told = []
    for _ in range(9):
        await dumps.hands_over(20)
        told += [len(await dumps.found())]
        dumps.clock.move(DAY_S)
    assert told == [1] * 7 + [0] * 2


@pytest.mark.parametrize(("a_day", "most"), [(1, 10), (3, 10), (4, 12), (24, 72)])
async def test_a_few_more_than_usual_are_nothing(dumps: Dumps, a_day: int, most: int) -> None:
    await dumps.for_days(4, a_day)
    await dumps.hands_over(most)
    assert await dumps.found() == []
    await dumps.hands_over(1)
    assert len(await dumps.found()) == 1


async def test_a_new_stream_has_its_own_measure(dumps: Dumps) -> None:
    await dumps.for_days(5)
    await dumps.hands_over(5, "segments")
    dumps.clock.move(DAY_S)
    await dumps.for_days(4, 100, "segments")
    assert await dumps.found() == []


async def test_what_was_ordered_or_made_no_snapshot_is_not_counted(dumps: Dumps) -> None:
    await dumps.for_days(5)
    await dumps.hands_over(20, handed="")
    await dumps.hands_over(20, snapshot="")
    assert await dumps.found() == []


async def test_that_a_server_may_hand_over_no_more_is_an_alert_of_the_server_whatever_the_names(dumps: Dumps) -> None:
    await dumps.settings.put("streams.handed_per_day", "12", "root")
    for number in range(11):
        await dumps.hands_over(1, f"name{number}")
    assert await dumps.found() == []
    await dumps.hands_over(1, "last", snapshot="")
    (told,) = await dumps.found()
    assert (told.subject, told.severity) == ("web1", Severity.ERROR)
    assert "12 streams by itself, as many as streams.handed_per_day allows" in told.text
    await dumps.settings.put("streams.handed_per_day", "0", "root")
    assert await dumps.found() == []


async def test_of_a_removed_server_nothing_is_told(dumps: Dumps) -> None:
    await dumps.for_days(5)
    await dumps.hands_over(20)
    assert await dumps.found()
    await dumps.directory.revoke("web1", dumps.clock.now(), 0)
    assert await dumps.found() == []
