"""What the peer's end does when the core goes or the network stalls: nothing reported is lost."""

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from phoenix_core.agentlink.errors import (
    CoreUnreachable,
    FrameTooLarge,
    ProxyUnusable,
)
from phoenix_core.agentlink.frames import MAX_FRAME_BYTES
from phoenix_core.agentlink.reports import BackupResult, LogReport
from phoenix_core.domain.errors import Conflict
from tests.agentlink.bench import (
    CoreBench,
    PeerBench,
    connected_again,
    report,
    running_core,
    running_peer,
    texts,
)
from tests.agentlink.relay import ConnectProxy, running_relay


async def test_reports_made_while_the_core_is_down_arrive_in_order_and_once(core: CoreBench, peer: PeerBench) -> None:
    await report(peer, 1, 2, 3)
    assert await peer.link.flush(10)
    await core.stop()
    await report(peer, *range(4, 150))
    assert not peer.link.connected
    await core.start()
    assert await peer.link.flush(10)
    assert texts(core) == [str(number) for number in range(1, 150)]


async def test_a_core_killed_with_a_report_in_hand_gets_it_again(core: CoreBench, peer: PeerBench) -> None:
    await report(peer, 1)
    assert await peer.link.flush(10)
    core.engine.hold_reports.clear()
    await report(peer, 2, 3)
    await core.engine.changes.until(lambda: core.engine.reports_begun == 2)
    await core.kill()
    await core.start()
    assert await peer.link.flush(10)
    assert texts(core) == ["1", "2", "3"]
    numbers = [each.number for each in core.engine.reports]
    assert numbers == sorted(numbers)


async def test_a_report_kept_but_not_acknowledged_comes_again_under_its_number(
    core: CoreBench, peer: PeerBench
) -> None:
    async def keep_and_fail(*given: object) -> None:
        core.engine.reports.append(given[1])  # type: ignore[arg-type]
        raise Conflict(detail="Killed before the acknowledgement.", advice="")

    keep = core.engine.on_report
    core.engine.on_report = keep_and_fail  # type: ignore[assignment,method-assign]
    await report(peer, 1)
    await peer.agent.changes.until(lambda: peer.agent.failures)
    core.engine.on_report = keep  # type: ignore[method-assign]
    assert await peer.link.flush(10)
    assert set(texts(core)) == {"1"}
    assert len({each.number for each in core.engine.reports}) == 1
    assert len(core.engine.reports) >= 2


async def test_a_peer_that_starts_again_sends_what_the_last_process_left(core: CoreBench, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "agent")
    await core.stop()
    async with running_peer(tmp_path / "agent") as first:
        await report(first, 1, 2)
    await asyncio.to_thread(first.link.report, "j1", LogReport(level="info", text="3"))  # after the link has ended
    await core.start()
    async with running_peer(tmp_path / "agent") as second:
        assert await second.link.flush(10)
    assert texts(core) == ["1", "2", "3"]


async def test_a_finished_job_counts_as_known_until_its_last_report_is_in(core: CoreBench, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "agent")
    peer = PeerBench(tmp_path / "agent")
    peer.agent.jobs = ["j1"]
    await asyncio.to_thread(peer.link.report, "j2", LogReport(level="info", text="of a process that was killed"))
    await asyncio.to_thread(peer.link.report, "j3", BackupResult(snapshot_id="ab"))
    running = asyncio.create_task(peer.link.run(peer.stop))
    await core.engine.changes.until(lambda: core.engine.connects)
    assert core.engine.connects[0][1].running_jobs == ("j1", "j3")
    peer.stop.set()
    await running


async def test_flush_gives_up_in_time_when_the_core_is_away(core: CoreBench, peer: PeerBench) -> None:
    await core.stop()
    await report(peer, 1)
    assert not await peer.link.flush(0.05)
    await core.start()


async def test_a_report_too_long_is_refused_to_its_maker(core: CoreBench, peer: PeerBench) -> None:
    with pytest.raises(FrameTooLarge):
        await asyncio.to_thread(peer.link.report, "j1", LogReport(level="info", text="x" * MAX_FRAME_BYTES))
    await report(peer, 1)
    assert await peer.link.flush(10)
    assert texts(core) == ["1"]


async def test_both_ends_notice_a_network_that_stalls_and_find_each_other_again(tmp_path: Path) -> None:
    async with running_core(tmp_path / "pki", heartbeat_s=0.1) as core, running_relay(core.port) as relay:
        await core.enrol(tmp_path / "agent", url=f"https://127.0.0.1:{relay.port}")
        async with running_peer(tmp_path / "agent") as peer:
            await connected_again(peer, 1)
            relay.flowing.clear()
            await peer.agent.changes.until(lambda: peer.agent.failures)
            await core.engine.changes.until(lambda: core.engine.disconnects)
            assert isinstance(peer.agent.failures[0], CoreUnreachable)
            assert "silent for 0.3 s" in str(peer.agent.failures[0])
            await report(peer, 1)
            relay.flowing.set()
            relay.cut()
            assert await peer.link.flush(10)
            assert texts(core) == ["1"]


async def test_a_broken_connection_is_made_anew(core: CoreBench, tmp_path: Path) -> None:
    async with running_relay(core.port) as relay:
        await core.enrol(tmp_path / "agent", url=f"https://127.0.0.1:{relay.port}")
        async with running_peer(tmp_path / "agent") as peer:
            for times in range(1, 4):
                await connected_again(peer, times)
                await report(peer, times)
                assert await peer.link.flush(10)
                relay.cut()
    assert texts(core) == ["1", "2", "3"]


async def test_the_next_address_is_tried_where_one_does_not_answer(core: CoreBench, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "agent")

    def put_dead_address_first() -> None:
        file = tmp_path / "agent" / "peer.json"
        file.write_text(file.read_text().replace(f'"{core.url}"', f'"https://127.0.0.1:1", "{core.url}"'))

    await asyncio.to_thread(put_dead_address_first)
    async with running_peer(tmp_path / "agent") as peer:
        await connected_again(peer, 1)
        assert "127.0.0.1:1" in str(peer.agent.failures[0])


async def test_the_link_goes_through_an_http_proxy(
    core: CoreBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = b64encode(b"user:pass word").decode()
    async with running_relay(core.port, ConnectProxy(login)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass%20word@127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        await core.enrol(tmp_path / "agent", url=f"https://core.invalid:{core.port}")
        async with running_peer(tmp_path / "agent") as peer:
            await connected_again(peer, 1)
            await report(peer, 1)
            assert await peer.link.flush(10)
        assert f"CONNECT core.invalid:{core.port} ".encode() in proxy.greetings[-1]
    assert texts(core) == ["1"]


async def test_a_proxy_that_wants_a_log_in_is_told(
    core: CoreBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_relay(core.port, ConnectProxy("other")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(CoreUnreachable, match="407"):
            await core.enrol(tmp_path / "agent", url=f"https://core.invalid:{core.port}")


async def test_a_proxy_that_is_no_address_is_told_without_repeating_it(
    core: CoreBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hush@proxy:port")
    with pytest.raises(ProxyUnusable) as caught:
        await core.enrol(tmp_path / "agent", url=f"https://core.invalid:{core.port}")
    assert "hush" not in str(caught.value)


async def test_two_hundred_agents_connect_report_and_come_back(
    core: CoreBench, tmp_path: Path, loop_stays_free: BlockBuster
) -> None:
    loop_stays_free.deactivate()  # it would slow this down fourfold
    for number in range(200):
        core.enrol_directly(tmp_path / f"agent{number}", f"s{number}")
    peers = [PeerBench(tmp_path / f"agent{number}") for number in range(200)]
    tasks = [asyncio.create_task(peer.link.run(peer.stop)) for peer in peers]
    await core.engine.changes.until(lambda: len(core.hub.peers()) == 200, 60)
    await asyncio.gather(*(report(peer, 1) for peer in peers))
    assert all(await asyncio.gather(*(peer.link.flush(60) for peer in peers)))
    assert len(core.engine.reports) == 200
    await core.stop()
    await core.start()
    await core.engine.changes.until(lambda: len(core.hub.peers()) == 200, 60)
    for peer in peers:
        peer.stop.set()
    await asyncio.gather(*tasks)
