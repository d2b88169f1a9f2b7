"""The event stream: what it tells, and how a reader resumes."""

import asyncio
from collections.abc import Callable

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from phoenix_core.api.events import EventResource
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobState
from phoenix_core.domain.views import Event
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig


async def test_a_backup_is_told_step_by_step(rig: Rig, agent: FakeAgent) -> None:
    following = asyncio.create_task(
        rig.events_until(lambda event: event.job is not None and event.job.state is JobState.SUCCESSFUL)
    )
    await rig.until(lambda: True)
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    events = await following
    assert events[0].kind == "reset"
    states = [event.job.state for event in events if event.kind == "job" and event.job is not None]
    assert states[0] is JobState.QUEUED
    assert states[-1] is JobState.SUCCESSFUL
    assert all(event.job_id == job.id for event in events if event.kind == "job")
    assert any(event.snapshot is not None for event in events)
    numbers = [event.number for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_a_reader_resumes_without_a_gap(rig: Rig, agent: FakeAgent) -> None:
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    await rig.ended(job.id)
    everything = await rig.events_until(is_end_of(job.id), after=first_number(rig))
    middle = everything[len(everything) // 2].number
    rest = await rig.events_until(is_end_of(job.id), after=middle)
    assert rest == [event for event in everything if event.number > middle]


def is_end_of(job_id: str) -> Callable[[Event], bool]:
    return lambda event: event.job is not None and event.job.id == job_id and event.job.state.is_final


def first_number(rig: Rig) -> int:
    assert rig.core is not None
    return rig.core.events.oldest


async def test_a_number_that_is_no_longer_held_gives_a_reset(rig: Rig) -> None:
    events = await rig.events_until(lambda event: True, after=5)
    assert [event.kind for event in events] == ["reset"]


async def test_numbers_go_on_rising_over_a_restart(rig: Rig) -> None:
    (before,) = await rig.events_until(lambda event: True)
    await rig.restart()
    (after,) = await rig.events_until(lambda event: True, after=before.number)
    assert after.kind == "reset"
    assert after.number > before.number


async def test_a_silent_stream_carries_comments(rig: Rig) -> None:
    assert rig.core is not None
    resource = EventResource(rig.core.events, comment_interval_s=0.01)
    app = web.Application()
    app.router.add_routes(resource.routes())
    async with (
        TestClient(TestServer(app)) as client,
        client.get("/v1/events", timeout=aiohttp.ClientTimeout(total=10)) as response,
    ):
        assert response.content_type == "text/event-stream"
        while not (await response.content.readline()).startswith(b": still here"):
            pass


async def test_the_stream_ends_when_the_core_stops(rig: Rig) -> None:
    seen: list[Event] = []
    started = asyncio.Event()

    async def follow() -> None:
        async for event in rig.client.events():
            seen.append(event)
            started.set()

    following = asyncio.create_task(follow())
    await started.wait()
    await rig.stop()
    (result,) = await asyncio.gather(following, return_exceptions=True)
    assert type(result).__name__ == "CoreUnreachable"


async def test_a_server_that_comes_and_goes_is_told(rig: Rig, agent: FakeAgent) -> None:
    assert rig.core is not None
    before = rig.core.events.newest
    await agent.stop()
    events = await rig.events_until(lambda event: event.server is not None and not event.server.connected, before)
    assert events[-1].server is not None
    assert events[-1].server.name == "web1"
