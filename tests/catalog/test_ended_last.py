"""Jobs in the order in which they ended, whatever the clock said, and found without a look at all there ever were."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow
from phoenix_core.domain.states import JobKind, JobState
from tests.catalog.test_catalog import NOW

WELL = (JobState.SUCCESSFUL, JobState.FAILED)


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    opened = await Catalog.open_file(tmp_path / "catalog.sqlite")
    yield opened
    await opened.close()


async def add(
    jobs: Jobs, name: str, state: JobState, *, day: int, seen_s: float, kind: JobKind = JobKind.VERIFY
) -> None:
    at = NOW + timedelta(days=day)
    ended = at if state.is_final else None
    row = JobRow(name, kind, state, name, "", "", "root", at, "{}", finished_at=ended, ended_seen_s=seen_s)
    await jobs.add(row, [])


async def test_the_one_that_ended_last_comes_first_whatever_the_clock_said(catalog: Catalog) -> None:
    jobs = Jobs(catalog)
    await add(jobs, "before all", JobState.FAILED, day=0, seen_s=100)
    await add(jobs, "by a clock ahead", JobState.SUCCESSFUL, day=30, seen_s=200)
    await add(jobs, "after it", JobState.FAILED, day=1, seen_s=300)
    await add(jobs, "cancelled", JobState.CANCELLED, day=2, seen_s=400)
    await add(jobs, "another kind", JobState.FAILED, day=3, seen_s=500, kind=JobKind.PRUNE)
    await add(jobs, "running", JobState.RUNNING, day=4, seen_s=0)
    names = [job.id for job in await jobs.ended_last(JobKind.VERIFY, WELL, limit=10)]
    assert names == ["after it", "by a clock ahead", "before all"]
    assert [job.id for job in await jobs.ended_last(JobKind.VERIFY, WELL)] == names[:1]
    assert [job.id for job in await jobs.ended_last(JobKind.VERIFY, WELL, limit=10, skip=1)] == names[1:]


async def test_they_are_found_by_the_index_of_their_ends(catalog: Catalog) -> None:
    asked: list[tuple[str, object]] = []
    engine = catalog._engine.sync_engine
    sa.event.listen(
        engine, "before_cursor_execute", lambda _c, _u, statement, values, *_: asked.append((statement, values))
    )
    await Jobs(catalog).ended_last(JobKind.VERIFY, WELL)
    ((statement, values),) = [each for each in asked if "FROM jobs" in each[0]]
    async with catalog.reading() as connection:
        plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]
        steps = [str(row["detail"]) for row in plan.mappings()]
    assert steps[0] == "SCAN jobs USING INDEX ix_jobs_ended_seen_s", steps
