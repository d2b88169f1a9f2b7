"""One alert for one condition of one subject."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.engine.alerts.condition import Condition
from tests.engine.fake_clock import FakeClock
from tests.engine.notifications.bench import Bench, failed

AWAY = Condition(AlertKind.AGENT_AWAY, "s1", "web1", Severity.WARNING, "The agent is away.", "Start it.")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "data", FakeClock())
    await made.open()
    yield made
    await made.close()


async def test_what_comes_back_within_an_hour_is_the_same_alert(bench: Bench) -> None:
    await bench.holds(AWAY)
    (first,) = bench.board.active()
    await bench.holds()
    bench.clock.move(600)
    await bench.holds(AWAY)
    (again,) = bench.board.active()
    assert (again.id, again.count, again.first_seen_at) == (first.id, 2, first.first_seen_at)
    await bench.holds()
    bench.clock.move(3700)
    await bench.holds(AWAY)
    assert bench.board.active()[0].id != first.id


async def test_what_a_source_can_t_tell_of_stays_as_it_is(bench: Bench) -> None:
    await bench.holds(AWAY, failed())
    await bench.holds(of=(AlertKind.AGENT_AWAY,))
    assert [row.kind for row in bench.board.active()] == [AlertKind.BACKUP_FAILED]


async def test_the_worst_are_first_and_what_was_acknowledged_was_less(bench: Bench) -> None:
    await bench.holds(AWAY, failed("web2"))
    assert [row.severity for row in bench.board.active()] == [Severity.ERROR, Severity.WARNING]
    away = bench.board.active()[1]
    await bench.board.acknowledge(away.id, "mara", "known")
    worse = msgspec.structs.replace(AWAY, severity=Severity.CRITICAL)
    await bench.holds(worse, failed("web2"))
    assert (bench.board.active()[0].id, bench.board.active()[0].acknowledged_by) == (away.id, "")


async def test_a_look_that_finds_the_same_writes_nothing(bench: Bench) -> None:
    await bench.holds(AWAY)
    told = bench.events.newest
    before = bench.board.active()
    bench.clock.move(30)
    await bench.holds(AWAY)
    assert (bench.events.newest, bench.board.active()) == (told, before)


async def test_alerts_survive_a_restart(bench: Bench) -> None:
    await bench.holds(AWAY, failed())
    before = bench.board.active()
    await bench.close()
    await bench.open()
    assert bench.board.active() == before
