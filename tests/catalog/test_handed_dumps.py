"""Which dumps an agent handed over by itself."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from phoenix_core.catalog import handed_dumps
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.handed_dumps import DumpsOfDay, HandedDumps
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow, SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.streams import Stream, path_of
from phoenix_core.engine.requests import BackupJob

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
ORDERS = path_of("orders")


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    opened = await Catalog.open_file(tmp_path / "catalog.sqlite")
    yield opened
    await opened.close()


async def put(catalog: Catalog, number: int, path: str, stream: Stream | None, *, job: bool = True) -> str:
    """A snapshot and the job that made it, unless that isn't known any more."""
    name = f"{number:064x}"
    taken = SnapshotRow(
        name, number, "s1", "web1", b"", NOW, NOW, (path,), 0, 0, 0, 0, 0, f"j{number}", "", "web1", "", 1, ()
    )  # fmt: skip
    await Snapshots(catalog).put(taken)
    if job:
        asked = msgspec.json.encode(BackupJob("s1", (path,), stream=stream)).decode()
        row = JobRow(f"j{number}", JobKind.FILE_BACKUP, JobState.SUCCESSFUL, "", "s1", "s1", "root", NOW, asked)
        await Jobs(catalog).add(msgspec.structs.replace(row, snapshot_id=name), [])
    return name


async def test_it_is_the_job_that_tells_and_in_doubt_it_was_handed_over(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handed_dumps, "PAGE_ROWS", 1)
    handed = await put(catalog, 1, ORDERS, Stream("orders", "", "token"))
    await put(catalog, 2, ORDERS, Stream("orders", "dump.sh"))
    unknown = await put(catalog, 3, ORDERS, None, job=False)
    await put(catalog, 4, "/srv", None)
    await put(catalog, 5, "/srv", None, job=False)
    assert await HandedDumps(catalog).snapshot_ids() == {handed, unknown}


async def test_they_are_counted_by_server_stream_and_day(catalog: Catalog) -> None:
    stream = Stream("orders", "", "token")
    for number, hours in enumerate((-30, -1, 0, 1, 20.95)):  # the last one is at midnight
        asked = msgspec.json.encode(BackupJob("s1", (ORDERS,), stream=stream)).decode()
        at = NOW + timedelta(hours=hours)
        row = JobRow(f"j{number}", JobKind.FILE_BACKUP, JobState.FAILED, "", "s1", "s1", "agent of web1", at, asked)
        await Jobs(catalog).add(msgspec.structs.replace(row, snapshot_id="x" * 64 if number % 2 else ""), [])
    await put(catalog, 7, ORDERS, Stream("orders", "dump.sh"))
    dumps = HandedDumps(catalog)
    before, day, after = date(2029, 12, 31), date(2030, 1, 2), date(2030, 1, 3)
    expected = [
        DumpsOfDay("s1", "orders", before, 1, 0),
        DumpsOfDay("s1", "orders", day, 3, 2),
        DumpsOfDay("s1", "orders", after, 1, 0),
    ]
    assert await dumps.by_day(NOW - timedelta(days=9)) == expected
    assert await dumps.by_day(NOW - timedelta(days=1), ["s1"]) == expected[1:]
    assert await dumps.by_day(NOW - timedelta(days=9), ["s2"]) == []
    assert (await dumps.asked_on("s1", NOW), await dumps.asked_on("s2", NOW)) == (3, 0)
