"""A catalog whose disk is full for a while: jobs end as soon as there is space, and nobody has to restart anything."""

import pytest

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import BackupRequest
from phoenix_core.engine import queue, runner
from tests.engine.full_catalog import FullCatalog
from tests.engine.rig import Rig

BACKUP = BackupRequest(server="web1", paths=("/srv",))


@pytest.fixture(autouse=True)
def tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "END_RETRY_S", 0.05)
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
