"""The engine's small parts, each alone: events, rates, claims, settings, the choice of a parent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phoenix_core.agentlink.reports import Progress
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.rows import JobRow, SnapshotRow
from phoenix_core.catalog.settings import StoredSettings
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import Event
from phoenix_core.engine.claims import Claim, conflict
from phoenix_core.engine.errors import BadSetting
from phoenix_core.engine.events import EventBus
from phoenix_core.engine.parents import choose_parent
from phoenix_core.engine.progress import ProgressBoard
from phoenix_core.engine.settings import KNOWN, Settings
from tests.engine.fake_clock import FakeClock


async def read(bus: EventBus, after: int | None, count: int) -> list[Event]:
    found: list[Event] = []
    async with aclosing(bus.follow(after)) as events:
        async for event in events:
            assert event is not None
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_a_reader_gets_what_came_after_its_number() -> None:
    bus = EventBus(FakeClock())
    start = bus.newest
    for _ in range(3):
        bus.publish("vault")
    assert [event.number for event in await read(bus, start, 3)] == [start + 1, start + 2, start + 3]
    assert [event.number for event in await read(bus, start + 2, 1)] == [start + 3]


async def test_a_reader_that_fell_behind_the_ring_is_told_to_start_over() -> None:
    bus = EventBus(FakeClock(), capacity=4)
    start = bus.newest
    for _ in range(6):
        bus.publish("vault")
    assert bus.oldest == start + 2
    assert [event.number for event in await read(bus, start + 2, 4)] == [start + 3, start + 4, start + 5, start + 6]
    (reset,) = await read(bus, start + 1, 1)
    assert (reset.kind, reset.number) == ("reset", start + 6)


async def test_a_slow_reader_is_told_to_start_over_in_the_middle() -> None:
    bus = EventBus(FakeClock(), capacity=2)
    async with aclosing(bus.follow(bus.newest)) as events:
        bus.publish("vault")
        first = await anext(events)
        for _ in range(5):
            bus.publish("vault")
        second = await anext(events)
    assert first is not None
    assert second is not None
    assert (first.kind, second.kind) == ("vault", "reset")


async def test_readers_end_when_the_bus_is_closed_and_idle_ones_are_told() -> None:
    bus = EventBus(FakeClock())
    async with aclosing(bus.follow(bus.newest, idle_s=0.01)) as events:
        assert await anext(events) is None
        bus.close()
        with pytest.raises(StopAsyncIteration):
            await anext(events)


def job(job_id: str = "j1") -> JobRow:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    return JobRow(job_id, JobKind.FILE_BACKUP, JobState.RUNNING, "Backup", "s1", "s1", "root", now, "{}")


def test_rates_are_those_of_the_last_seconds() -> None:
    clock = FakeClock()
    board = ProgressBoard(EventBus(clock), clock)
    board.begin(job())
    for second in range(11):
        done = 100 * second if second <= 5 else 500 + 1000 * (second - 5)
        board.update(Progress(job="j1", phase="transfer", bytes_done=done, sent_bytes=done // 2))
        clock.move(1)
    view = board.of("j1")
    assert view is not None
    assert view.bytes_per_s == pytest.approx(1000)
    assert view.sent_bytes_per_s == pytest.approx(500)
    board.update(Progress(job="j1", phase="commit", bytes_done=0))
    view = board.of("j1")
    assert view is not None
    assert view.bytes_per_s == 0


async def test_progress_is_published_a_few_times_a_second_and_only_the_latest() -> None:
    clock = FakeClock()
    bus = EventBus(clock)
    board = ProgressBoard(bus, clock)
    board.begin(job())
    start = bus.newest
    running = asyncio.create_task(board.run())
    for done in range(1000):
        board.update(Progress(job="j1", phase="transfer", bytes_done=done))
        await asyncio.sleep(0)
    events = await read(bus, start, 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    progress = [event.job.progress for event in events if event.job is not None]
    assert len(progress) == 2
    assert progress[1] is not None
    assert progress[1].bytes_done == 999


def test_progress_of_a_job_that_is_over_is_dropped() -> None:
    clock = FakeClock()
    board = ProgressBoard(EventBus(clock), clock)
    board.update(Progress(job="j1", phase="scan"))
    assert board.of("j1") is None


@pytest.mark.parametrize(
    ("wanted", "held", "in_the_way"),
    [
        (Claim("vault"), Claim("vault"), False),
        (Claim("vault"), Claim("vault", exclusive=True), True),
        (Claim("vault", exclusive=True), Claim("vault"), True),
        (Claim("a", exclusive=True), Claim("b", exclusive=True), False),
    ],
)
def test_claims_conflict_where_one_is_exclusive(wanted: Claim, held: Claim, in_the_way: bool) -> None:
    assert (conflict([wanted], [held]) is held) is in_the_way


@pytest.fixture
async def settings(tmp_path: Path) -> AsyncIterator[Settings]:
    catalog = await Catalog.open_file(tmp_path / "catalog.sqlite")
    made = Settings(StoredSettings(catalog), FakeClock())
    await made.load()
    yield made
    await catalog.close()


async def test_every_default_is_a_valid_value(settings: Settings) -> None:
    for view in settings.all():
        assert KNOWN[view.key].normalise(view.default) == view.default
        assert view.description


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("storage.reserve_bytes", "512m", str(512 << 20)),
        ("storage.reserve_bytes", "1 GiB", str(1 << 30)),
        ("backup.cross_mounts", "Yes", "true"),
        ("edition", "Business", "business"),
        ("restore.conflict", "keep_both", "keep_both"),
        ("agent.grace_s", "0.5", "0.5"),
        ("backup.compression_level", "07", "7"),
    ],
)
async def test_values_are_kept_in_one_form(settings: Settings, key: str, value: str, kept: str) -> None:
    assert (await settings.put(key, value, "root")).value == kept


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("storage.reserve_bytes", "-1"),
        ("storage.reserve_bytes", "lots"),
        ("backup.cross_mounts", "maybe"),
        ("edition", "gold"),
        ("agent.grace_s", "nan"),
        ("agent.grace_s", "-1"),
        ("backup.compression_level", "20"),
        ("backup.compression_level", ""),
        ("token.lifetime_s", "1"),
    ],
)
async def test_values_that_make_no_sense_are_refused(settings: Settings, key: str, value: str) -> None:
    with pytest.raises(BadSetting):
        await settings.put(key, value, "root")


async def test_an_unknown_setting_is_named(settings: Settings) -> None:
    with pytest.raises(NotFound, match=r"no\.such"):
        await settings.put("no.such", "1", "root")


def snapshot(name: str, *paths: str, readable: bool = True, epoch: int = 1) -> SnapshotRow:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    return SnapshotRow(
        id=name,
        sequence=1,
        server_id="s1",
        server_name="web1",
        root=b"r" * 32,
        created_at=now,
        recorded_at=now,
        paths=paths,
        files=0,
        directories=0,
        bytes=0,
        stored_bytes=0,
        missing_count=0,
        job_id="j",
        parent="",
        hostname="",
        domain="default",
        epoch=epoch,
        packs=(),
        readable=readable,
    )


@pytest.mark.parametrize(
    ("candidates", "paths", "chosen"),
    [
        ([], ("/srv",), None),
        ([snapshot("new", "/etc"), snapshot("old", "/srv")], ("/srv",), "old"),
        ([snapshot("new", "/srv", "/etc"), snapshot("old", "/srv")], ("/srv",), "old"),
        ([snapshot("new", "/home"), snapshot("old", "/srv/www")], ("/srv",), "old"),
        ([snapshot("new", "/home"), snapshot("old", "/")], ("/srv",), "old"),
        ([snapshot("new", "/srv2"), snapshot("old", "/home")], ("/srv",), "new"),
        ([snapshot("new", "/srv", readable=False), snapshot("old", "/srv")], ("/srv",), "old"),
        ([snapshot("new", "/srv", epoch=2)], ("/srv",), None),
    ],
)
def test_the_parent_is_the_newest_that_shares_the_paths(
    candidates: list[SnapshotRow], paths: tuple[str, ...], chosen: str | None
) -> None:
    found = choose_parent(candidates, paths, "default", 1)
    assert (found.id if found else None) == chosen
