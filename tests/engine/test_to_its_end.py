"""What a record is appended by is waited for, however impatient those are who wait; until then nobody has the turn."""

import asyncio
import gc
import threading
from typing import Any

import pytest

from phoenix_core.domain.ids import SnapshotId
from phoenix_core.engine.decisions import to_its_end
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig
from tests.engine.test_undo import backed_up, ids, stored

LONG_S = 20.0


class Held:
    """Work that goes on until it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self._begun, self._let_go, self._error = threading.Event(), threading.Event(), error

    def __call__(self, *_: Any) -> str:
        self._begun.set()
        self._let_go.wait(LONG_S)  # so that a test which fails ends
        if self._error is not None:
            raise self._error
        return "done"

    async def begun(self) -> None:
        await asyncio.to_thread(self._begun.wait)

    def let_go(self) -> None:
        self._let_go.set()


async def cancelled_twice(task: asyncio.Task[Any]) -> None:
    for _ in range(2):
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
    assert not task.done()


async def test_who_is_cancelled_again_and_again_waits_all_the_same() -> None:
    work = Held()
    task = asyncio.create_task(to_its_end(work))
    await work.begun()
    await cancelled_twice(task)
    work.let_go()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_fails_for_who_was_cancelled_is_the_cause_and_is_not_left_lying() -> None:
    left: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: left.append(context))
    work = Held(OSError("the disk is gone"))
    task = asyncio.create_task(to_its_end(work))
    await work.begun()
    await cancelled_twice(task)
    work.let_go()
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    assert str(raised.value.__cause__) == "the disk is gone"
    del task, raised
    gc.collect()
    await asyncio.sleep(0)
    assert left == []


async def test_what_is_not_cancelled_has_its_result_or_its_error() -> None:
    good, bad = Held(), Held(OSError("the disk is gone"))
    good.let_go()
    bad.let_go()
    assert await to_its_end(good) == "done"
    with pytest.raises(OSError, match="the disk is gone"):
        await to_its_end(bad)


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def test_nobody_has_the_turn_until_a_final_removal_is_there(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record and the object, also where the core stops amid it."""
    gone, kept = await backed_up(rig), await backed_up(rig)
    assert rig.core is not None
    parts = rig.core._parts
    vault, delete, held = parts.seat.get(), rig.node().delete_snapshot, Held()

    def deleting(snapshot: SnapshotId) -> None:
        held()
        delete(snapshot)

    monkeypatch.setattr(rig.node(), "delete_snapshot", deleting)
    task = asyncio.create_task(parts.removals.remove(vault, SnapshotId(gone)))
    await held.begun()
    await cancelled_twice(task)
    assert parts.records.turn.locked()
    held.let_go()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await stored(rig) == [kept]
    await rig.restart()
    assert await ids(rig) == [kept]
