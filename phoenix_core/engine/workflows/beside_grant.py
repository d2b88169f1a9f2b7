"""The agent's part of a job that reads a snapshot, while the core still finds out what the agent may read."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from phoenix_core.agentlink import features
from phoenix_core.agentlink.messages import RestoreOrder
from phoenix_core.agentlink.reports import JobFailed, ReportBody
from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.engine.agent_jobs import AgentJobs
from phoenix_core.engine.requests import AGENT_ASKS
from phoenix_core.engine.vault import OpenVault
from phoenix_core.engine.workflow import JobRun
from phoenix_core.engine.workflows.agent_step import agents_outcome

GRANT_STEP = "WF2.2"


def may_begin_early(run: JobRun, agents: AgentJobs) -> bool:
    """Whether the job's agent may plan before all that it may read is found out. One that asks for a restore by itself
    gets nothing, not even an order, that the rest of the grant could still refuse."""
    by_itself = run.job.requested_by.startswith(AGENT_ASKS)
    return not by_itself and agents.knows(run.job.agent_id, features.GROWING_GRANT)


class Beginning:
    """What the agent's part needs, given as soon as it may begin. Used from the event loop only."""

    def __init__(self) -> None:
        self.found: asyncio.Future[tuple[OpenVault, SnapshotRow]] = asyncio.get_running_loop().create_future()

    def give(self, vault: OpenVault, snapshot: SnapshotRow) -> None:
        if not self.found.done():
            self.found.set_result((vault, snapshot))


async def beside_grant(
    run: JobRun,
    agents: AgentJobs,
    grant: Callable[[Beginning], Coroutine[Any, Any, None]],
    make_order: Callable[[OpenVault, SnapshotRow], Awaitable[RestoreOrder]],
) -> ReportBody:
    """Have `grant` done, and the agent its part from when that gives its beginning, at its end at the latest.

    Raises what `grant` raises, rather than what comes of that at the agent; else what `agents_outcome` does. Where the
    agent fails by itself, the grant is broken off."""
    beginning = Beginning()
    granting = asyncio.create_task(grant(beginning), name=f"grant {run.job.id}")
    try:
        await asyncio.wait((granting, beginning.found), return_when=asyncio.FIRST_COMPLETED)
        if granting.done():
            await granting
        outcome = await agents_outcome(run, agents, partial(make_order, *beginning.found.result()))
        if isinstance(outcome, JobFailed) and not granting.done():
            await _broken_off(run, granting)
        else:
            await granting
    except PhoenixError as error:
        failure = _failure_of(granting)
        if failure is None or failure is error:
            raise
        raise failure from error
    else:
        return outcome
    finally:
        granting.cancel()
        await asyncio.wait((granting,))
        _failure_of(granting)


async def _broken_off(run: JobRun, granting: "asyncio.Task[None]") -> None:
    granting.cancel()
    await asyncio.wait((granting,))
    if granting.cancelled():
        await run.skip(GRANT_STEP, "broken off, since the agent could not go on")
    else:
        await granting


def _failure_of(granting: "asyncio.Task[None]") -> BaseException | None:
    return granting.exception() if granting.done() and not granting.cancelled() else None
