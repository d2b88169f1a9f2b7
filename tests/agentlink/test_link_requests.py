"""Orders, requests and progress on the link, through failures of the core."""

import asyncio
from pathlib import Path

import pytest

from phoenix_core.agentlink.errors import (
    AnswerLost,
    CoreAway,
    FrameTooLarge,
    LinkClosed,
)
from phoenix_core.agentlink.frames import MAX_FRAME_BYTES
from phoenix_core.agentlink.link import Link
from phoenix_core.agentlink.messages import CancelOrder, JobKnown, KeysRequest, OwnRestoreRequest, TokenRequest
from phoenix_core.agentlink.reports import Progress
from phoenix_core.domain.errors import Conflict, RemoteError
from tests.agentlink.bench import (
    FACTS,
    AgentDouble,
    CoreBench,
    PeerBench,
    connected_again,
    report,
    running_peer,
)


async def test_an_order_that_fails_does_not_end_the_link(core: CoreBench, peer: PeerBench) -> None:
    take = peer.agent.on_order

    async def fail(_order: object) -> None:
        raise RuntimeError("no")

    peer.agent.on_order = fail  # type: ignore[method-assign,assignment]
    await core.hub.send("s1", CancelOrder(job="j1", who="operator"))
    await report(peer, 1)
    assert await peer.link.flush(10)
    peer.agent.on_order = take  # type: ignore[method-assign]
    await core.hub.send("s1", JobKnown(wanted=("j1",)))
    await peer.agent.changes.until(lambda: peer.agent.orders)
    assert peer.agent.failures == []


async def test_a_request_outlives_a_restart_of_the_core(core: CoreBench, peer: PeerBench) -> None:
    core.engine.hold_requests.clear()
    asking = asyncio.create_task(peer.link.request(TokenRequest(number=0, job="j1")))
    await core.engine.changes.until(lambda: core.engine.requests)
    await core.stop()
    core.engine.hold_requests.set()
    await core.start()
    assert (await asking).token == "token of j1"
    assert len(core.engine.requests) == 2


async def test_a_request_made_while_the_core_is_down_waits_for_it(core: CoreBench, peer: PeerBench) -> None:
    await core.stop()
    asking = asyncio.create_task(asyncio.to_thread(peer.link.request_blocking, TokenRequest(number=0, job="j1")))
    await peer.agent.changes.until(lambda: peer.agent.failures)
    await core.start()
    assert (await asking).token == "token of j1"


async def test_a_restore_is_not_asked_for_twice(core: CoreBench, peer: PeerBench) -> None:
    core.engine.hold_requests.clear()
    request = OwnRestoreRequest(number=0, snapshot_id="ab", paths=(), destination=b"/tmp/r")
    asking = asyncio.create_task(peer.link.request(request))
    await core.engine.changes.until(lambda: core.engine.requests)
    await core.stop()
    with pytest.raises(AnswerLost):
        await asking
    await core.start()
    await connected_again(peer, 2)
    assert len(core.engine.requests) == 1


async def test_a_request_ends_in_time_when_nobody_answers(core: CoreBench, peer: PeerBench) -> None:
    core.engine.hold_requests.clear()
    with pytest.raises(CoreAway, match=r"0\.05 s"):
        await peer.link.request(TokenRequest(number=0, job="j1"), timeout_s=0.05)
    core.engine.hold_requests.set()
    assert (await peer.link.request(TokenRequest(number=0, job="j2"))).token == "token of j2"


async def test_a_restore_that_the_core_was_asked_for_in_vain_may_have_begun(core: CoreBench, peer: PeerBench) -> None:
    core.engine.hold_requests.clear()
    request = OwnRestoreRequest(number=0, snapshot_id="ab", paths=(), destination=b"/tmp/r")
    asking = asyncio.create_task(peer.link.request(request, timeout_s=0.2))
    await core.engine.changes.until(lambda: core.engine.requests)
    with pytest.raises(AnswerLost):
        await asking
    core.engine.hold_requests.set()


async def test_what_the_core_answers_with_is_raised(core: CoreBench, peer: PeerBench) -> None:
    async def refuse(*_: object) -> None:
        raise Conflict(detail="Not yours.", advice="Ask for your own.")

    core.engine.on_request = refuse  # type: ignore[assignment,method-assign]
    with pytest.raises(RemoteError, match="Not yours") as caught:
        await asyncio.to_thread(peer.link.request_blocking, KeysRequest(number=0, job="j1", blocks=()))
    assert caught.value.view().code == "conflict"


async def test_a_request_too_long_for_a_frame_is_refused_to_its_maker(core: CoreBench, peer: PeerBench) -> None:
    with pytest.raises(FrameTooLarge):
        await peer.link.request(TokenRequest(number=0, job="j" * MAX_FRAME_BYTES))
    assert (await peer.link.request(TokenRequest(number=0, job="j1"))).token == "token of j1"
    assert peer.agent.failures == []


async def test_requests_end_when_the_link_does(core: CoreBench, tmp_path: Path) -> None:
    core.engine.hold_requests.clear()
    await core.enrol(tmp_path / "agent")
    async with running_peer(tmp_path / "agent") as peer:
        await connected_again(peer, 1)
        asking = asyncio.create_task(peer.link.request(TokenRequest(number=0, job="j1")))
        blocking = asyncio.create_task(asyncio.to_thread(peer.link.request_blocking, TokenRequest(number=0, job="j2")))
        await core.engine.changes.until(lambda: len(core.engine.requests) == 2)
    for task in (asking, blocking):
        with pytest.raises(LinkClosed):
            await task
    with pytest.raises(LinkClosed):
        await peer.link.request(TokenRequest(number=0, job="j1"))
    core.engine.hold_requests.set()


async def test_a_blocking_request_on_the_event_loop_is_refused(core: CoreBench, peer: PeerBench) -> None:
    with pytest.raises(RuntimeError, match="event loop"):
        peer.link.request_blocking(TokenRequest(number=0, job="j1"))


def test_a_request_before_the_link_runs_is_told(tmp_path: Path) -> None:
    link = Link(tmp_path, AgentDouble(), facts=FACTS)
    with pytest.raises(LinkClosed):
        link.request_blocking(TokenRequest(number=0, job="j1"))
    link.progress(Progress(job="j1", phase="scan"))


async def test_progress_is_thinned_out(core: CoreBench, peer: PeerBench) -> None:
    seen: list[Progress] = []
    take = core.engine.on_progress

    def note(identity: object, progress: Progress) -> None:
        seen.append(progress)
        take(identity, progress)  # type: ignore[arg-type]

    core.engine.on_progress = note  # type: ignore[assignment,method-assign]
    for done in range(500):
        for job in ("j1", "j2"):
            peer.link.progress(Progress(job=job, phase="transfer", files_done=done))
        await asyncio.sleep(0)
    for job in ("j1", "j2"):
        await core.engine.changes.until(lambda job=job: core.engine.latest.get(job, Progress("", "")).files_done == 499)
    assert len(seen) < 50


async def test_progress_that_can_not_be_taken_does_not_end_the_connection(core: CoreBench, peer: PeerBench) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    core.engine.on_progress = fail  # type: ignore[assignment,method-assign]
    peer.link.progress(Progress(job="j1", phase="scan"))
    await report(peer, 1)
    assert await peer.link.flush(10)
    assert core.engine.disconnects == []
