"""How backups ended last, as the catalog keeps it: in their order, whatever the clock said, and without a look at all
jobs there ever were."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from phoenix_core.catalog.backup_ends import BackupEnds, LastEnds
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.migrate import migrate_file
from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.policies import WINDOW_ENDS
from phoenix_core.domain.states import JobKind, JobState
from tests.catalog.test_catalog import NOW, catalog_of, since_epoch_us

DAY = timedelta(days=1)
OF_STREAM = '{"stream":{"name":"orders","script":"dump.sh"}}'
ON_TRIAL = '{"dry_run":true}'


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    opened = await Catalog.open_file(tmp_path / "catalog.sqlite")
    yield opened
    await opened.close()


class History:
    """Backups of s1, one after the other."""

    def __init__(self, catalog: Catalog) -> None:
        self.jobs, self.ends, self.now = Jobs(catalog), BackupEnds(catalog), NOW
        self.count = 0

    async def ended(self, state: JobState, request: str = "{}", by: str = "") -> str:
        self.count += 1
        self.now += timedelta(minutes=1)
        job = f"j{self.count}"
        began = JobState.RUNNING
        await self.jobs.add(JobRow(job, JobKind.FILE_BACKUP, began, job, "s1", "s1", "root", self.now, request), [])
        await self.jobs.move(job, state, finished_at=self.now, cancelled_by=by)
        return job

    async def of(self, stream: str = "") -> LastEnds:
        return (await self.ends.last(["s1"]))["s1"].get(stream, LastEnds())


def ids(ends: LastEnds) -> tuple[str | None, ...]:
    return tuple(job.id if job else None for job in (ends.made, ends.failed, ends.skipped, ends.newest, ends.last))


async def test_what_ended_while_the_clock_was_ahead_hides_nothing_after_it(catalog: Catalog) -> None:
    backups = History(catalog)
    backups.now += 30 * DAY
    made = await backups.ended(JobState.SUCCESSFUL)
    backups.now -= 30 * DAY
    failed = [await backups.ended(state) for state in (JobState.FAILED, JobState.ABORTED)]
    ends = await backups.of()
    assert (ids(ends), ends.failures) == ((made, failed[1], None, failed[1], failed[1]), 2)
    skipped = await backups.ended(JobState.SKIPPED)
    assert ids(await backups.of()) == (made, failed[1], skipped, failed[1], skipped)
    again = await backups.ended(JobState.SUCCESSFUL_WITH_ERRORS)
    ends = await backups.of()
    assert (ids(ends), ends.failures) == ((again, None, None, again, again), 0)


async def test_trials_cancelled_ones_and_other_parts_say_nothing_of_the_files(catalog: Catalog) -> None:
    backups = History(catalog)
    made = await backups.ended(JobState.SUCCESSFUL)
    await backups.ended(JobState.FAILED, ON_TRIAL)
    await backups.ended(JobState.CANCELLED)
    of_stream = await backups.ended(JobState.FAILED, OF_STREAM)
    assert ids(await backups.of()) == (made, None, None, made, made)
    stopped = await backups.ended(JobState.CANCELLED, by=f"{WINDOW_ENDS}nightly")
    assert ids(await backups.of()) == (made, None, None, made, stopped)
    assert ids(await backups.of("orders")) == (None, of_stream, None, of_stream, of_stream)
    assert await backups.ends.last(["s2"]) == {}


@pytest.mark.parametrize("servers", [None, ["s1"], ["s1", "s2"]])
async def test_no_job_is_read_but_those_that_ended_last(catalog: Catalog, servers: list[str] | None) -> None:
    asked: list[tuple[str, object]] = []
    engine = catalog._engine.sync_engine
    sa.event.listen(
        engine, "before_cursor_execute", lambda _c, _u, statement, values, *_: asked.append((statement, values))
    )
    await BackupEnds(catalog).last(servers)
    ((statement, values),) = [each for each in asked if "last_ends" in each[0]]
    async with catalog.reading() as connection:
        plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]
        steps = [str(row["detail"]) for row in plan.mappings()]
    assert [step for step in steps if "jobs" in step] == ["SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id=?)"]
    assert any("SEARCH last_ends" in step for step in steps) is (servers is not None), steps


def test_what_ended_before_this_was_kept_is_put_in_order(tmp_path: Path) -> None:
    path, rows = tmp_path / "catalog.sqlite", []

    def ended(name: str, state: str, minute: int, request: str = "{}", server: str = "s1", by: str = "") -> None:
        at = since_epoch_us(NOW + timedelta(minutes=minute))
        rows.append(
            f"jobs VALUES ('{name}', 'file_backup', '{state}', '', '{server}', '', '', 0, '{request}', NULL, {at},"
            f" '', '', NULL, 0, '{by}', NULL, 0, '{{}}', '', 1, {minute})"
        )

    ended("old failure", "failed", 1)
    ended("made", "successful", 2)
    ended("skipped before", "skipped", 3)
    ended("first", "failed", 4)
    ended("second", "aborted", 5)
    ended("skipped", "skipped", 6)
    ended("on trial", "successful", 7, ON_TRIAL)
    ended("cancelled", "cancelled", 8)
    ended("stopped", "cancelled", 9, by=f"{WINDOW_ENDS}nightly")
    ended("of a stream", "failed", 3, OF_STREAM)
    ended("mended", "failed", 1, server="s2")
    ended("good", "successful_with_errors", 2, server="s2")
    rows.append(
        "alerts VALUES ('w1', 'backup_failed', 's1', 'w', 'error', '', '', 0, 0, 1, 's1', '', NULL, '', NULL, '', '')"
    )
    rows.append("channels VALUES ('c1', 'ops', '{}', '')")
    rows.append("notices VALUES ('n1', 'c1', 'w1', 'raised', 0, '')")
    catalog_of(path, "0008", *rows)
    assert migrate_file(path)
    with sqlite3.connect(path) as upgraded:
        found = upgraded.execute("SELECT server_id, stream, how, job_id, in_a_row FROM last_ends").fetchall()
        assert [row[0] for row in upgraded.execute("SELECT id FROM notices")] == ["n1"]
        assert [row[0] for row in upgraded.execute("SELECT subject_id FROM alerts")] == ["s1"]
    assert sorted(found) == [
        ("s1", "", "failed", "second", 2),
        ("s1", "", "made", "made", 1),
        ("s1", "", "skipped", "skipped", 1),
        ("s1", "", "stopped", "stopped", 1),
        ("s1", "orders", "failed", "of a stream", 1),
        ("s2", "", "made", "good", 1),
    ]
