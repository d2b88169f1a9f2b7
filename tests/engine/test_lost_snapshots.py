"""Snapshots whose object is gone or damaged: noticed while the core runs, told wherever they are shown, never replaced
by an older one unasked."""

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.domain.errors import ErrorView, RemoteError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.requests import BackupRequest, RestoreRequest
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import FindingView, JobView
from phoenix_core.engine import lost_snapshots
from phoenix_core.vault.layout import snapshot_name
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig


@pytest.fixture
async def agent(rig: Rig) -> FakeAgent:
    return await rig.agent()


async def backed_up(rig: Rig) -> JobView:
    done = await rig.ended((await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))).id)
    assert done.state is JobState.SUCCESSFUL, done.error
    return done


def object_of(rig: Rig, snapshot: str) -> Path:
    return rig.data.vault / snapshot_name(SnapshotId(snapshot))


async def lose(rig: Rig, snapshot: str) -> Path:
    """Take the snapshot's object out of the vault; where it lies now."""
    away = rig.root / snapshot
    await asyncio.to_thread(object_of(rig, snapshot).rename, away)
    return away


async def refusal(rig: Rig, snapshot: str) -> ErrorView:
    """Of a restore."""
    with pytest.raises(RemoteError) as refused:
        await rig.client.restore(RestoreRequest(server="web1", snapshot=snapshot))
    return refused.value.view()


async def tiers(rig: Rig) -> list[str]:
    return [each.tier for each in await rig.client.snapshots()]


async def findings(rig: Rig, subject: str) -> list[FindingView]:
    return [each for each in await rig.client.doctor() if each.subject == subject]


async def test_a_snapshot_that_goes_while_the_core_runs_is_told_by_list_status_and_doctor(
    rig: Rig, agent: FakeAgent
) -> None:
    await backed_up(rig)
    newest = await backed_up(rig)
    assert (await rig.client.vault()).in_order
    assert [each.state for each in await findings(rig, "snapshots")] == ["ok"]
    await lose(rig, newest.snapshot_id)
    vault = await rig.client.vault()
    assert (vault.snapshots, vault.lost_snapshots, vault.in_order) == (2, 1, False)
    assert await tiers(rig) == ["lost", "warm"]
    assert not (await rig.client.snapshots())[0].proved
    (finding,) = await findings(rig, "snapshots")
    assert finding.state == "error"
    assert newest.snapshot_id[:12] in finding.text
    assert newest.snapshot_id in finding.hint


async def test_latest_is_no_older_snapshot_than_the_newest_one(rig: Rig, agent: FakeAgent) -> None:
    older = await backed_up(rig)
    newest = await backed_up(rig)
    await lose(rig, newest.snapshot_id)
    error = await refusal(rig, "latest")
    assert error.code == "snapshot_lost"
    assert newest.snapshot_id[:12] in error.message
    assert f"is {older.snapshot_id[:12]}, taken " in error.hint
    assert error.fields["instead"] == older.snapshot_id[:12]
    assert agent.restored == {}
    done = await rig.ended((await rig.client.restore(RestoreRequest("web1", older.snapshot_id))).id)
    assert done.state is JobState.SUCCESSFUL, done.error


async def test_another_is_named_only_where_it_holds_the_path_that_is_wanted(rig: Rig, agent: FakeAgent) -> None:
    agent.files = {"/srv/a": b"a", "/srv/b": b"b"}
    with_both = await backed_up(rig)
    agent.files = {"/srv/a": b"a"}
    with_a = await backed_up(rig)
    agent.files = {"/srv/a": b"a", "/srv/b": b"b", "/srv/c": b"c"}
    newest = await backed_up(rig)
    await lose(rig, newest.snapshot_id)
    for path, holder in (("/srv/a", with_a), ("/srv/b", with_both), ("/srv/c", None)):
        with pytest.raises(RemoteError) as refused:
            await rig.client.restore(RestoreRequest(server="web1", snapshot=newest.snapshot_id, paths=(path,)))
        error = refused.value.view()
        assert error.code == "snapshot_lost"
        assert error.fields["instead"] == (holder.snapshot_id[:12] if holder else ""), path
        assert "phoenix restore" not in error.hint


async def test_one_whose_object_is_gone_too_is_not_named(rig: Rig, agent: FakeAgent) -> None:
    older = await backed_up(rig)
    between = await backed_up(rig)
    newest = await backed_up(rig)
    await lose(rig, between.snapshot_id)
    await lose(rig, newest.snapshot_id)
    assert (await refusal(rig, newest.snapshot_id)).fields["instead"] == older.snapshot_id[:12]


async def test_a_lost_snapshot_that_is_named_is_not_said_to_be_unknown(rig: Rig, agent: FakeAgent) -> None:
    only = await backed_up(rig)
    await lose(rig, only.snapshot_id)
    error = await refusal(rig, only.snapshot_id)
    assert error.code == "snapshot_lost"
    assert "no other" in error.hint
    with pytest.raises(RemoteError) as refused:
        await rig.client.entries(only.snapshot_id)
    assert refused.value.view().code == "snapshot_lost"


async def test_an_object_that_is_not_what_was_committed_is_lost_once_a_restore_reads_it(
    rig: Rig, agent: FakeAgent
) -> None:
    only = await backed_up(rig)
    stored = object_of(rig, only.snapshot_id)
    await asyncio.to_thread(stored.unlink)
    await asyncio.to_thread(stored.write_bytes, b"something else")
    assert (await refusal(rig, "latest")).code == "snapshot_lost"
    assert await tiers(rig) == ["lost"]
    await rig.restart()
    (shown,) = await rig.client.snapshots()
    assert (shown.tier, shown.paths) == ("lost", ("/srv",))


async def test_a_verify_marks_the_snapshots_that_it_can_not_open(rig: Rig, agent: FakeAgent) -> None:
    agent.files = {f"/srv/{number}": b"x" for number in range(7)}
    only = await backed_up(rig)
    stored = object_of(rig, only.snapshot_id)
    await asyncio.to_thread(stored.unlink)
    await asyncio.to_thread(stored.write_bytes, b"something else")
    assert await tiers(rig) == ["warm"]
    verified = await rig.ended((await rig.client.verify()).id)
    assert verified.state is JobState.FAILED
    assert verified.error is not None
    assert "files that they hit: 7," in verified.error.message
    assert [each.file_count for each in await rig.client.damage(verified.id)] == [7]
    assert await tiers(rig) == ["lost"]


async def test_a_snapshot_that_is_put_back_counts_again(rig: Rig, agent: FakeAgent) -> None:
    only = await backed_up(rig)
    away = await lose(rig, only.snapshot_id)
    assert await tiers(rig) == ["lost"]
    await asyncio.to_thread(away.rename, object_of(rig, only.snapshot_id))
    assert await tiers(rig) == ["warm"]
    assert (await rig.client.vault()).lost_snapshots == 0
    done = await rig.ended((await rig.client.restore(RestoreRequest("web1"))).id)
    assert done.state is JobState.SUCCESSFUL, done.error


async def test_a_vault_whose_disk_is_away_has_lost_no_snapshot(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    for folder in ("snapshots", "records"):
        await asyncio.to_thread(shutil.move, rig.data.vault / folder, rig.root / folder)
    assert await tiers(rig) == ["warm"]
    for folder in ("snapshots", "records"):
        await asyncio.to_thread(shutil.move, rig.root / folder, rig.data.vault / folder)


async def test_a_lost_snapshot_can_be_given_up(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig)
    newest = await backed_up(rig)
    await lose(rig, newest.snapshot_id)
    removed = await rig.remove(newest.snapshot_id)
    assert removed.state is JobState.SUCCESSFUL, removed.error
    assert await tiers(rig) == ["warm"]
    assert (await rig.client.vault()).in_order


async def test_a_restore_names_the_snapshot_that_it_took_even_where_it_fails(rig: Rig, agent: FakeAgent) -> None:
    made = await backed_up(rig)
    (snapshot,) = await rig.client.snapshots()
    for paths in ((), ("/no/such",)):
        done = await rig.ended((await rig.client.restore(RestoreRequest("web1", paths=paths))).id)
        assert done.state is (JobState.FAILED if paths else JobState.SUCCESSFUL)
        assert done.snapshot_id == made.snapshot_id
        assert done.result["snapshot_at"] == snapshot.created_at.isoformat(timespec="seconds")


async def test_a_backup_after_a_loss_that_nobody_noticed_yet_relies_on_an_older_parent(
    rig: Rig, agent: FakeAgent
) -> None:
    older = await backed_up(rig)
    newest = await backed_up(rig)
    await lose(rig, newest.snapshot_id)
    await backed_up(rig)
    order = agent.orders[-1]
    assert isinstance(order, BackupOrder)
    assert order.parent is not None
    assert order.parent.snapshot_id == older.snapshot_id


async def test_a_store_that_does_not_answer_holds_up_no_list(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backed_up(rig)
    answer = threading.Event()
    asked: list[None] = []

    def names() -> list[SnapshotId]:
        asked.append(None)
        answer.wait()
        return []

    monkeypatch.setattr(lost_snapshots, "LOOK_WAIT_S", 0.01)
    monkeypatch.setattr(rig.node(), "snapshots", names)
    try:
        assert [await tiers(rig) for _ in range(3)] == [["warm"]] * 3
        assert len(asked) == 1
    finally:
        answer.set()
