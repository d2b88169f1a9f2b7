"""What a fake agent does with the order of a drill: the real drill, or what a test wants to come of it."""

import asyncio

from phoenix_core.agent.drill.drill_job import DrillJob
from phoenix_core.agent.keycache import KeyCache
from phoenix_core.agent.linkports import LinkPorts
from phoenix_core.agentlink.drillmessages import DrillFindings
from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.agentlink.reports import JobFailed, RestoreResult
from phoenix_core.domain.errors import PhoenixError
from tests.engine.fake_agent import FakeAgent, Script


async def drill(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
    """As an agent process does it."""
    assert isinstance(order, RestoreOrder)
    cache = await asyncio.to_thread(KeyCache, agent.state_dir)
    ports = LinkPorts(order.job, agent.link, agent.state_dir, cache)
    try:
        result = await asyncio.to_thread(lambda: DrillJob(order, ports).run())
    except PhoenixError as error:
        await agent.report(order.job, JobFailed(error=error.view()))
    else:
        await agent.report(order.job, result)
    finally:
        await asyncio.to_thread(cache.close)


def finding(findings: DrillFindings) -> Script:
    """An agent whose drill finds this, without having done anything."""

    async def script(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
        await agent.report(order.job, RestoreResult(files=findings.files, drill=findings))

    return script
