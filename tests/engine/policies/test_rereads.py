"""A policy's scan mode: which backups read all files again."""

from datetime import timedelta

import msgspec
import pytest

from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.domain.ids import new_job_id
from phoenix_core.domain.policies import BackupPolicy, ContentRule, ServerGroup
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import JobView
from tests.engine.fake_agent import FakeAgent, back_up, failing, until_cancelled
from tests.engine.rig import Rig


async def protect(rig: Rig, every: int) -> FakeAgent:
    await rig.client.put_policy("nightly", BackupPolicy(name="nightly", reread_every=every))
    await rig.client.put_rule("web", ContentRule(name="web", paths=("/srv",)))
    await rig.client.put_group("web", ServerGroup("web", policy="nightly", rules=("web",)))
    agent = await rig.agent()
    await rig.client.put_group("web", ServerGroup("web", policy="nightly", rules=("web",), servers=("web1",)))
    return agent


async def run(rig: Rig, *paths: str) -> JobView:
    job = await rig.client.backup(BackupRequest(server="web1", paths=paths))
    return await rig.ended(job.id)


def why_full(agent: FakeAgent) -> list[str]:
    """Of each order: why all is read; `parent` where it isn't."""
    return [
        order.why_full or ("parent" if order.parent else "first")
        for order in agent.orders
        if isinstance(order, BackupOrder)
    ]


async def test_each_nth_run_reads_all_files_again(rig: Rig) -> None:
    agent = await protect(rig, 3)
    read_all = [(await run(rig)).result["read_all"] for _ in range(5)]
    assert read_all == [True, False, False, True, False]
    assert why_full(agent) == ["first", "parent", "parent", "re-read, every 3rd run", "parent"]


async def test_a_run_that_fails_or_is_cancelled_does_not_lose_the_turn(rig: Rig) -> None:
    agent = await protect(rig, 2)
    await run(rig)
    await run(rig)
    agent.on_backup = failing
    assert (await run(rig)).state is JobState.FAILED
    agent.on_backup = until_cancelled
    job = await rig.client.backup(BackupRequest(server="web1"))
    await rig.in_state(job.id, JobState.RUNNING)
    await rig.until(lambda: len(agent.orders) == 4)
    await rig.client.cancel(job.id)
    await rig.ended(job.id)
    agent.on_backup = back_up
    again = await rig.client.retry(job.id)
    assert (await rig.ended(again.id)).result["read_all"] is True
    assert (await run(rig)).result["read_all"] is False
    assert why_full(agent)[2:] == ["re-read, every 2nd run"] * 3 + ["parent"]


async def test_backups_of_other_folders_have_turns_of_their_own(rig: Rig) -> None:
    agent = await protect(rig, 2)
    await run(rig)
    await run(rig, "/etc")
    await run(rig)
    await run(rig)
    assert why_full(agent) == ["first", "parent", "parent", "re-read, every 2nd run"]


async def test_a_turn_comes_however_many_backups_of_other_folders_lie_between(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phoenix_core.engine.rereads.PAGE", 2)
    agent = await protect(rig, 2)
    await run(rig)
    await run(rig)
    other = await run(rig, "/srv", "/etc")
    assert rig.core is not None
    jobs = rig.core._parts.jobs
    row = await jobs.get(other.id)
    assert row is not None
    for number in range(8):
        at = row.created_at + timedelta(microseconds=number + 1)
        await jobs.add(msgspec.structs.replace(row, id=new_job_id(), created_at=at), ())
    assert (await run(rig)).result["read_all"] is True
    assert why_full(agent)[-1] == "re-read, every 2nd run"


async def test_by_metadata_none_is_read_again_and_with_one_every_run_is(rig: Rig) -> None:
    agent = await protect(rig, 0)
    for _ in range(3):
        await run(rig)
    assert why_full(agent) == ["first", "parent", "parent"]
    await rig.client.put_policy("nightly", BackupPolicy(name="nightly", reread_every=1))
    await run(rig)
    assert why_full(agent)[-1] == "re-read, every run"
