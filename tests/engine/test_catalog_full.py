"""A catalog whose disk is full for a while: jobs end as soon as there is space, and nobody has to restart anything."""

from typing import Any

import pytest

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobState
from phoenix_core.engine import catalog_patience, commit, queue
from tests.engine.fake_agent import until_cancelled
from tests.engine.full_catalog import FullCatalog
from tests.engine.rig import Rig

BACKUP = BackupRequest(server="web1", paths=("/srv",))


@pytest.fixture(autouse=True)
def tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_patience, "AGAIN_S", 0.05)
    monkeypatch.setattr(queue, "RETRY_S", 0.05)


async def test_a_request_is_refused_while_it_cannot_be_recorded(rig: Rig) -> None:
    await rig.agent()
    with FullCatalog(0), pytest.raises(PhoenixError) as raised:
        await rig.client.backup(BACKUP)
    assert raised.value.view().code == "catalog_full"
    assert raised.value.view().retryable


@pytest.mark.parametrize("after", [1, 2, 4, 7, 11, 16, 22])
async def test_a_job_that_met_a_full_catalog_ends_once_there_is_space(rig: Rig, after: int) -> None:
    await rig.agent()
    with FullCatalog(after) as full:
        job = await rig.client.backup(BACKUP)
        await full.struck()
    ended = await rig.ended(job.id)
    assert ended.state is JobState.SUCCESSFUL or ended.error is not None
    again = await rig.client.backup(BACKUP)
    assert (await rig.ended(again.id)).state is JobState.SUCCESSFUL


async def test_what_is_committed_is_shown_though_the_catalog_was_full_just_then(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither does the job fail whose snapshot the vault has, nor is the snapshot hidden until the next start."""
    await rig.agent()
    full, commit_in_vault = FullCatalog(0), commit._commit

    def commits(*arguments: Any) -> Any:
        found = commit_in_vault(*arguments)
        full.__enter__()
        return found

    with monkeypatch.context() as filling:
        filling.setattr(commit, "_commit", commits)
        job = await rig.client.backup(BACKUP)
        assert await full.struck()
    full.__exit__()
    ended = await rig.ended(job.id)
    assert ended.state is JobState.SUCCESSFUL, ended.error
    assert [each.id for each in await rig.client.snapshots()] == [ended.snapshot_id]


async def test_a_job_learns_that_its_agent_is_gone_though_the_catalog_is_full(rig: Rig) -> None:
    agent = await rig.agent()
    agent.on_backup = until_cancelled
    await rig.client.set_setting("agent.grace_s", "0.2")
    job = await rig.client.backup(BACKUP)
    await rig.until(lambda: agent.orders)
    await rig.in_state(job.id, JobState.RUNNING)
    with FullCatalog(0) as full:
        await agent.stop()
        assert await full.struck()
    ended = await rig.ended(job.id)
    assert ended.state is JobState.ABORTED
