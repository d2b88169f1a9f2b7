"""What an operator asks for again after its policy's schedule did."""

import pytest

from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import JobView
from tests.engine.drilling import finding
from tests.engine.drills import test_by_policy
from tests.engine.drills.drilled import SOUND
from tests.engine.moved_clock import MovedClock
from tests.engine.policies.nights import protect, the_night_comes
from tests.engine.rig import Rig
from tests.engine.test_vault_jobs import backed_up


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


async def skipped(rig: Rig, job: JobView, code: str) -> None:
    ended = await rig.ended(job.id)
    assert (ended.state, ended.error.code if ended.error else "") == (JobState.SKIPPED, code)


async def test_a_skipped_backup_that_an_operator_asks_for_again_waits_for_its_agent(
    rig: Rig, clock: MovedClock
) -> None:
    agent = await rig.agent()
    await protect(rig)
    await rig.client.set_setting("agent.grace_s", "0")
    await agent.stop()
    job = await the_night_comes(rig, clock)
    await skipped(rig, job, "agent_away")
    again = await rig.client.retry(job.id)
    waiting = await rig.in_state(again.id, JobState.WAITING_FOR_AGENT, JobState.SKIPPED)
    assert (waiting.state, waiting.retry_of) == (JobState.WAITING_FOR_AGENT, job.id)
    await agent.start()
    assert (await rig.ended(again.id)).state is JobState.SUCCESSFUL


async def test_so_does_a_skipped_drill(rig: Rig, clock: MovedClock) -> None:
    agent = await rig.agent()
    agent.on_restore = finding(SOUND)
    await backed_up(rig)
    await test_by_policy.protect(rig)
    await rig.client.set_setting("agent.grace_s", "0")
    await agent.stop()
    (job,) = await test_by_policy.due_drills(rig, clock)
    await skipped(rig, job, "drill_agent_away")
    again = await rig.client.retry(job.id)
    assert again.kind is JobKind.RESTORE_DRILL
    waiting = await rig.in_state(again.id, JobState.WAITING_FOR_AGENT, JobState.SKIPPED)
    assert waiting.state is JobState.WAITING_FOR_AGENT
    await agent.start()
    assert (await rig.ended(again.id)).state is JobState.SUCCESSFUL
