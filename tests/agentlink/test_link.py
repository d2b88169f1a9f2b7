"""The link between hub and peer over real TLS: greeting, orders, reports, progress and requests."""

import asyncio

import pytest

from phoenix_core.agentlink.errors import PeerAway
from phoenix_core.agentlink.messages import CancelOrder, KeysRequest, TokenRequest
from phoenix_core.agentlink.reports import LogReport, Progress
from phoenix_core.vault.location import BlockRef
from tests.agentlink.bench import CoreBench, PeerBench


async def test_a_peer_greets_with_what_it_is_and_is_welcomed_by_name(core: CoreBench, peer: PeerBench) -> None:
    await core.engine.changes.until(lambda: core.engine.connects)
    peer_id, hello = core.engine.connects[0]
    assert (peer_id, hello.hostname, hello.role) == ("s1", "web1", "agent")
    assert hello.instance
    await peer.agent.changes.until(lambda: peer.agent.welcomes)
    welcome = peer.agent.welcomes[0]
    assert (welcome.peer_id, welcome.name, welcome.last_record) == ("s1", "web1", 7)
    assert core.hub.peers() == ["s1"]


async def test_an_order_arrives_at_the_agent(core: CoreBench, peer: PeerBench) -> None:
    await core.hub.send("s1", CancelOrder(job="j1", who="operator"))
    await peer.agent.changes.until(lambda: peer.agent.orders)
    assert peer.agent.orders == [CancelOrder(job="j1", who="operator")]


async def test_sending_to_a_peer_that_is_not_there_says_so(core: CoreBench) -> None:
    with pytest.raises(PeerAway):
        await core.hub.send("s99", CancelOrder(job="j1", who="operator"))


async def test_reports_from_a_thread_arrive_in_order_and_leave_the_outbox(core: CoreBench, peer: PeerBench) -> None:
    def work() -> None:
        for number in range(200):
            peer.link.report("j1", LogReport(level="info", text=str(number)))

    await asyncio.to_thread(work)
    assert await peer.link.flush(10)
    assert [report.body.text for report in core.engine.reports] == [str(number) for number in range(200)]  # type: ignore[union-attr]
    numbers = [report.number for report in core.engine.reports]
    assert numbers == sorted(set(numbers))


async def test_only_the_latest_progress_of_a_job_must_arrive(core: CoreBench, peer: PeerBench) -> None:
    for done in range(1000):
        peer.link.progress(Progress(job="j1", phase="transfer", files_done=done))
    await core.engine.changes.until(lambda: core.engine.latest.get("j1", Progress("", "")).files_done == 999)


async def test_requests_from_threads_are_answered(core: CoreBench, peer: PeerBench) -> None:
    def ask() -> tuple[tuple[bytes, ...], str]:
        keys = peer.link.request_blocking(KeysRequest(number=0, job="j1", blocks=(BlockRef(b"p" * 32, 5),)))
        token = peer.link.request_blocking(TokenRequest(number=0, job="j1"))
        return keys.keys, token.token

    assert await asyncio.to_thread(ask) == ((b"\x05" * 32,), "token of j1")
