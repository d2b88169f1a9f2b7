"""A schedule that is due for all servers at once: every one backed up once, and never too many at a time."""

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from phoenix_core.client import CoreClient
from phoenix_core.domain.policies import BackupPolicy, ContentRule, ServerGroup
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import JobView
from tests.scale.fleet import Fleet

GROUPS = 10
WITHIN_S = 1800.0
GRACE_S = 60.0


@dataclass(frozen=True)
class Storm:
    seconds: float
    """From the schedule's minute to the last job's end."""
    most_at_once: int
    states: Counter[JobState]


async def schedule_all(client: CoreClient, fleet: Fleet, at_once: int) -> datetime:
    """Put all servers into groups whose policy is due in a while; returns when."""
    due = (datetime.now(UTC) + timedelta(seconds=GRACE_S + 15)).replace(second=0, microsecond=0)
    await client.set_setting("jobs.at_once", str(at_once))
    await client.put_rule("srv", ContentRule("srv", ("/srv",)))
    await client.put_policy("nightly", BackupPolicy("nightly", (f"{due.minute} {due.hour} * * *",)))
    for number in range(GROUPS):
        name = f"group-{number}"
        await client.put_group(name, ServerGroup(name, "nightly", ("srv",), tuple(fleet.names[number::GROUPS])))
    return due


async def watch(client: CoreClient, fleet: Fleet, due: datetime) -> Storm:
    """Until all are through. Raises AssertionError where a server's backup was lost or done twice."""
    ended: dict[str, JobState] = {}
    running: set[str] = set()
    most = 0
    async with asyncio.timeout(WITHIN_S), contextlib.aclosing(client.events()) as events:
        async for event in events:
            assert event.kind != "reset" or not ended, "events were lost: what ran at once is not known"
            job = event.job
            if event.kind != "job" or job is None or job.kind is not JobKind.FILE_BACKUP:
                continue
            (running.add if job.state is JobState.RUNNING else running.discard)(job.id)
            most = max(most, len(running))
            if job.state.is_final:
                ended[job.id] = job.state
                if len(ended) == len(fleet.names):
                    break
    seconds = time.time() - due.timestamp()
    orders = Counter(name for name, agent in fleet.agents.items() for _ in agent.orders)
    assert orders == Counter(fleet.names), "a server was not asked once: " + str(orders - Counter(fleet.names))
    assert Counter(job.server_name for job in await _backups(client)) == Counter(fleet.names)
    points = Counter(snapshot.server_name for snapshot in await client.snapshots())
    assert points == Counter(fleet.names)
    return Storm(seconds, most, Counter(ended.values()))


async def _backups(client: CoreClient) -> list[JobView]:
    """All of them, page by page."""
    found: list[JobView] = []
    while page := await client.jobs(kind=JobKind.FILE_BACKUP, limit=500, before=found[-1].id if found else ""):
        found += page
    return found
