"""Tags, notes and holds: what operators say of snapshots stays true over restarts, lost catalogs and lost answers."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.requests import BackupRequest, HoldRequest, TagChange
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import SnapshotView
from phoenix_core.engine.errors import SnapshotRemoved
from phoenix_core.storage.errors import StorageUnreachable
from tests.engine.fake_agent import FakeAgent
from tests.engine.fake_clock import FakeClock
from tests.engine.rig import Rig, running_rig


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def backed_up(rig: Rig, *tags: str) -> str:
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",), tags=tags))
    done = await rig.ended(job.id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return done.snapshot_id


async def lose_catalog(rig: Rig) -> None:
    """As after a disk was lost: what is known comes from the vault alone."""
    await rig.stop()

    def delete() -> None:
        for path in rig.data.root.glob("catalog*"):
            path.unlink()

    await asyncio.to_thread(delete)
    await rig.start()


async def refused(call: Any) -> str:
    with pytest.raises(RemoteError) as error:
        await call
    return str(error.value.view().code)


async def test_a_backup_tags_its_snapshot_and_is_found_by_it(rig: Rig, agent: FakeAgent) -> None:
    tagged = await backed_up(rig, "Month-End", "q3")
    await backed_up(rig)
    assert [each.id for each in await rig.client.snapshots(tags=["month-end"])] == [tagged]
    assert [each.id for each in await rig.client.snapshots(tags=["q3", "month-end"])] == [tagged]
    assert await rig.client.snapshots(tags=["q3", "month"]) == []
    assert (await rig.client.snapshot(tagged)).tags == ("month-end", "q3")


async def test_all_that_is_said_survives_the_loss_of_the_catalog(rig: Rig, agent: FakeAgent) -> None:
    snapshot = await backed_up(rig, "q3")
    await rig.client.tag_snapshot(snapshot, TagChange(add=("prüfung",), remove=("q3",)))
    await rig.client.note_snapshot(snapshot, "Before the move.\nKept for the auditors.")
    said = await rig.client.hold_snapshot(snapshot, HoldRequest(reason="audit"))
    assert said.hold is not None
    assert (said.tags, said.hold.reason, said.hold.until) == (("prüfung",), "audit", None)
    await lose_catalog(rig)
    (after,) = await rig.client.snapshots(held=True)
    assert (after.tags, after.note, after.hold) == (said.tags, said.note, said.hold)


async def test_no_word_of_it_stands_in_the_vault_in_clear(rig: Rig, agent: FakeAgent) -> None:
    snapshot = await backed_up(rig, "secret-merger")
    await rig.client.note_snapshot(snapshot, "do not tell anybody")

    def stored() -> bytes:
        return b"".join(path.read_bytes() for path in rig.data.vault.rglob("*") if path.is_file())

    found = await asyncio.to_thread(stored)
    assert b"secret-merger" not in found
    assert b"do not tell" not in found


async def test_a_held_snapshot_is_removed_by_nobody_until_it_is_released(rig: Rig, agent: FakeAgent) -> None:
    snapshot = await backed_up(rig)
    await rig.client.hold_snapshot(snapshot, HoldRequest(reason="court case 12/2030"))
    with pytest.raises(RemoteError) as error:
        await rig.client.remove_snapshot(snapshot, typed=snapshot[:12])
    assert error.value.view().code == "snapshot_held"
    assert "court case 12/2030" in str(error.value)
    assert f"phoenix snapshot release {snapshot[:12]}" in error.value.what_to_do
    assert await refused(rig.client.remove_snapshot(snapshot, at_once=True, typed=snapshot[:12])) == "snapshot_held"
    assert (await rig.client.release_snapshot(snapshot)).hold is None
    assert (await rig.remove(snapshot)).state is JobState.SUCCESSFUL
    assert await rig.client.snapshots() == []


async def test_a_hold_that_comes_while_a_removal_waits_wins(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = await backed_up(rig)
    assert rig.core is not None
    removals = rig.core._parts.removals
    inner = removals.set_aside

    async def after_the_hold(*arguments: Any) -> None:
        await rig.client.hold_snapshot(snapshot, HoldRequest(reason="just in time"))
        await inner(*arguments)

    monkeypatch.setattr(removals, "set_aside", after_the_hold)
    done = await rig.ended((await rig.client.remove_snapshot(snapshot, typed=snapshot[:12])).id)
    assert (done.state, done.error and done.error.code) == (JobState.FAILED, "snapshot_held")
    assert [each.id for each in await rig.client.snapshots()] == [snapshot]


async def test_a_hold_whose_answer_was_lost_holds(rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is in the vault, the operator was told of an error, and the catalog knows nothing of it yet."""
    snapshot = await backed_up(rig)
    node = rig.node()
    append, records = node.append_record, node.records

    def appends_and_dies(*arguments: Any) -> None:
        append(*arguments)
        raise StorageUnreachable(place="nas", detail="the connection was reset")

    def dead_once_written(after: int = 0) -> Any:
        if len(records()) > 1:
            raise StorageUnreachable(place="nas", detail="the connection was reset")
        return records(after)

    with monkeypatch.context() as dying:
        dying.setattr(node, "append_record", appends_and_dies)
        dying.setattr(node, "records", dead_once_written)
        assert await refused(rig.client.hold_snapshot(snapshot, HoldRequest(reason="audit"))) == "storage_unreachable"
    assert [each.id for each in await rig.client.snapshots(held=True)] == [snapshot]
    assert await refused(rig.client.remove_snapshot(snapshot, typed=snapshot[:12])) == "snapshot_held"


async def test_one_that_was_removed_meanwhile_can_t_be_held(rig: Rig, agent: FakeAgent) -> None:
    """The removal came between the request's look and the record."""
    snapshot = await backed_up(rig)
    assert (
        await rig.ended((await rig.client.remove_snapshot(snapshot, typed=snapshot[:12])).id)
    ).state is JobState.SUCCESSFUL
    assert rig.core is not None
    parts = rig.core._parts
    before = len(await asyncio.to_thread(rig.node().records))
    with pytest.raises(SnapshotRemoved, match=f"Snapshot {snapshot[:12]} of web1 was removed by"):
        await parts.annotations.hold(parts.seat.get(), SnapshotId(snapshot), "audit", "jane", None)
    assert len(await asyncio.to_thread(rig.node().records)) == before


BAD: dict[str, Callable[[Rig, str], Any]] = {
    "blank in a tag": lambda rig, snapshot: rig.client.tag_snapshot(snapshot, TagChange(add=("two words",))),
    "too many tags": lambda rig, snapshot: rig.client.tag_snapshot(
        snapshot, TagChange(add=tuple(f"t{number}" for number in range(21)))
    ),
    "long note": lambda rig, snapshot: rig.client.note_snapshot(snapshot, "x" * 1001),
    "escape in a note": lambda rig, snapshot: rig.client.note_snapshot(snapshot, "\x1b[2J"),
    "no reason": lambda rig, snapshot: rig.client.hold_snapshot(snapshot, HoldRequest(reason=" ")),
    "tag to look for": lambda rig, snapshot: rig.client.snapshots(tags=['"']),
    "latest": lambda rig, snapshot: rig.client.hold_snapshot("latest", HoldRequest(reason="x")),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_makes_no_sense_is_refused_and_nothing_recorded(rig: Rig, agent: FakeAgent, name: str) -> None:
    snapshot = await backed_up(rig)
    before = len(await asyncio.to_thread(rig.node().records))
    assert await refused(BAD[name](rig, snapshot)) == "usage"
    assert len(await asyncio.to_thread(rig.node().records)) == before


async def test_who_follows_the_events_is_told(rig: Rig, agent: FakeAgent) -> None:
    snapshot = await backed_up(rig)
    number = (await anext(rig.client.events())).number
    await rig.client.tag_snapshot(snapshot, TagChange(add=("q3",)))
    seen = await rig.events_until(lambda event: event.snapshot is not None and event.snapshot.tags == ("q3",), number)
    assert seen[-1].kind == "snapshot"
    assert seen[-1].snapshot is not None
    assert seen[-1].snapshot.id == snapshot


async def test_it_is_audited(rig: Rig, agent: FakeAgent) -> None:
    snapshot = await backed_up(rig)
    await rig.client.hold_snapshot(snapshot, HoldRequest(reason="audit"))
    await rig.client.release_snapshot(snapshot)
    (released, held) = (await rig.client.audit(limit=2))[:2]
    assert (held.action, held.subject, released.action) == ("snapshot hold", snapshot, "snapshot release")
    assert "audit" in held.detail


async def test_a_hold_ends_by_time_that_was_seen_and_not_by_a_clock_that_jumped(tmp_path: Path) -> None:
    clock = FakeClock(datetime.now(UTC))  # certificates that are made now must be valid now
    async with running_rig(tmp_path, clock=clock) as rig:
        await rig.agent()
        snapshot = await backed_up(rig)
        until = clock.now() + timedelta(days=10)
        await rig.client.hold_snapshot(snapshot, HoldRequest(reason="audit", until=until))

        async def held() -> list[SnapshotView]:
            return await rig.client.snapshots(held=True)

        clock.at += timedelta(days=30)  # set ahead, and nothing of it passed
        assert len(await held()) == 1
        await rig.restart()  # of the time that the core was off, a day counts at most
        assert len(await held()) == 1
        clock.at -= timedelta(days=30)
        clock.move(10 * 86400 - 60)
        assert len(await held()) == 1
        clock.move(61)
        assert await held() == []
        assert await refused(rig.client.hold_snapshot(snapshot, HoldRequest(reason="x", until=until))) == "usage"
