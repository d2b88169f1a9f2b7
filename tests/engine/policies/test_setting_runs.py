"""Jobs on the vault that are queued on the schedule of a setting."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.rows import JobRow
from phoenix_core.catalog.settings import Facts, StoredSettings
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.engine.policies.setting_runs import SettingRuns
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault_errors import VaultLocked
from tests.engine.fake_clock import FakeClock

DAY_S = 86_400
DUE = "daily at 06:00"


class Upkeep:
    """The duty, with a queue that can be closed, on a catalog that outlives it."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.clock = FakeClock()
        self.jobs = Jobs(catalog)
        self.queued: list[tuple[str, str]] = []
        self.locked = False
        self.is_wanted = True
        self.settings = Settings(StoredSettings(catalog), self.clock)
        self.runs = self.anew()

    def anew(self) -> SettingRuns:
        """As after a restart of the core."""
        self.runs = SettingRuns(
            JobKind.PRUNE, self._queue, self._wanted, self.settings, Facts(self.catalog), self.jobs, self.clock
        )
        return self.runs

    async def _queue(self, who: str, job_id: str) -> None:
        if self.locked:
            raise VaultLocked(detail="no key")
        self.queued.append((who, job_id))

    async def _wanted(self) -> bool:
        return self.is_wanted

    async def on(self, days: float) -> datetime | None:
        self.clock.move(days * DAY_S)
        return await self.runs.turn()


@pytest.fixture
async def upkeep(tmp_path: Path) -> AsyncIterator[Upkeep]:
    catalog = await Catalog.open_file(tmp_path / "catalog.sqlite")
    made = Upkeep(catalog)
    await made.settings.put("prune.schedule", DUE, "a test")
    assert await made.runs.turn() == made.clock.at.replace(hour=6, minute=0, second=0)
    yield made
    await catalog.close()


async def test_what_is_due_is_queued_once_and_names_the_setting(upkeep: Upkeep) -> None:
    assert upkeep.queued == []
    await upkeep.on(1)
    await upkeep.on(0)
    assert [who for who, _ in upkeep.queued] == ["prune.schedule"]
    await upkeep.on(1)
    assert len({job for _, job in upkeep.queued}) == 2


async def test_what_can_t_be_queued_stays_due_until_it_can(upkeep: Upkeep) -> None:
    upkeep.locked = True
    for _ in range(3):
        await upkeep.on(0.3)
    assert upkeep.queued == []
    upkeep.anew()
    upkeep.locked = False
    await upkeep.on(0.001)
    await upkeep.on(0.001)
    assert len(upkeep.queued) == 1


async def test_many_missed_runs_are_made_up_for_by_one(upkeep: Upkeep) -> None:
    await upkeep.on(10)
    await upkeep.on(0)
    assert len(upkeep.queued) == 1


async def test_a_crash_between_queue_and_catalog_makes_no_second_job(upkeep: Upkeep) -> None:
    """The id follows from what was due, so that the same job is found again."""
    fact = await Facts(upkeep.catalog).get("prune.considered_until")
    assert fact is not None
    await upkeep.on(1)
    await Facts(upkeep.catalog).put("prune.considered_until", fact)
    upkeep.anew()
    await upkeep.on(0)
    first, second = upkeep.queued
    assert first == second


async def test_while_the_last_one_is_not_over_the_next_waits(upkeep: Upkeep) -> None:
    row = JobRow("j1", JobKind.PRUNE, JobState.QUEUED, "Prune", "", "", "prune.schedule", upkeep.clock.at, "{}")
    await upkeep.jobs.add(row, ())
    await upkeep.on(1)
    await upkeep.on(1)
    assert upkeep.queued == []
    await upkeep.jobs.move("j1", JobState.CANCELLED, finished_at=upkeep.clock.at)
    await upkeep.on(0)
    assert len(upkeep.queued) == 1


async def test_one_by_hand_is_no_hindrance(upkeep: Upkeep) -> None:
    await upkeep.jobs.add(JobRow("j1", JobKind.PRUNE, JobState.QUEUED, "P", "", "", "root", upkeep.clock.at, "{}"), ())
    await upkeep.on(1)
    assert len(upkeep.queued) == 1


async def test_another_schedule_makes_nothing_due_that_was_not_promised(upkeep: Upkeep) -> None:
    upkeep.clock.move(0.5 * DAY_S)
    await upkeep.settings.put("prune.schedule", "daily at 07:00", "a test")
    assert await upkeep.on(0) == upkeep.clock.at.replace(hour=7, minute=0, second=0) + timedelta(days=1)
    assert upkeep.queued == []


async def test_switched_off_nothing_is_due(upkeep: Upkeep) -> None:
    await upkeep.settings.put("prune.schedule", "off", "a test")
    assert await upkeep.on(30) is None
    assert upkeep.queued == []


async def test_while_there_is_nothing_to_do_nothing_becomes_due(upkeep: Upkeep) -> None:
    upkeep.is_wanted = False
    await upkeep.on(3)
    upkeep.is_wanted = True
    await upkeep.on(0)
    assert upkeep.queued == []
    await upkeep.on(1)
    assert len(upkeep.queued) == 1


async def test_a_clock_that_was_far_ahead_costs_no_run(upkeep: Upkeep) -> None:
    await upkeep.on(30)
    await upkeep.on(-29)
    await upkeep.on(1)
    assert len(upkeep.queued) == 2
