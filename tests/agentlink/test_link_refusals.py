"""What the peer's end says when it isn't let in, and how long it then waits."""

import asyncio
import json
import random
import socket
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from aiohttp import web

from phoenix_core.agentlink import link as link_module
from phoenix_core.agentlink.backoff import FIRST_S, LONGEST_S, REFUSED_FIRST_S, REFUSED_LONGEST_S, Backoff
from phoenix_core.agentlink.errors import (
    CertificateMalformed,
    CoreStopping,
    CoreUnreachable,
    NotEnrolled,
    PeerCertificateExpired,
    PeerNotAllowed,
    ProtocolMismatch,
    UntrustedCore,
)
from phoenix_core.agentlink.link import Link
from phoenix_core.domain.errors import PhoenixError
from tests.agentlink.bench import (
    FACTS,
    AgentDouble,
    CoreBench,
    EagerBackoff,
    PeerBench,
    ShiftedClock,
    connected_again,
    running_core,
    running_peer,
)


async def first_failure(state_dir: Path) -> tuple[PhoenixError, float]:
    """Why the link isn't let in, and how long it would wait before the next attempt."""
    async with running_peer(state_dir) as peer:
        await peer.agent.changes.until(lambda: peer.agent.failures)
        return peer.agent.failures[0], peer.backoff.pauses[0]


async def test_a_wrong_version_is_told_and_tried_again_slowly(
    core: CoreBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await core.enrol(tmp_path / "agent")
    monkeypatch.setattr(link_module, "PROTOCOL_VERSION", 7)
    failure, pause_s = await first_failure(tmp_path / "agent")
    assert isinstance(failure, ProtocolMismatch)
    assert "version 7" in str(failure)
    assert pause_s >= REFUSED_FIRST_S / 2


async def test_a_removed_server_is_told_and_tries_again_slowly(core: CoreBench, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "agent")
    core.engine.serials.clear()
    failure, pause_s = await first_failure(tmp_path / "agent")
    assert isinstance(failure, PeerNotAllowed)
    assert pause_s >= REFUSED_FIRST_S / 2


async def test_a_server_removed_while_connected_is_told(core: CoreBench, peer: PeerBench) -> None:
    core.engine.serials.clear()
    await core.hub.drop("s1")
    await peer.agent.changes.until(lambda: peer.agent.failures)
    assert isinstance(peer.agent.failures[0], PeerNotAllowed)
    assert isinstance(peer.link.last_error, PeerNotAllowed)


async def test_a_stopping_core_is_tried_again_soon(core: CoreBench, peer: PeerBench) -> None:
    await core.stop()
    await peer.agent.changes.until(lambda: peer.agent.failures)
    assert isinstance(peer.agent.failures[0], CoreStopping)
    assert peer.backoff.pauses[0] <= FIRST_S
    await core.start()
    await connected_again(peer, 2)


async def test_another_core_at_the_same_address_is_not_trusted(core: CoreBench, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "agent")
    await core.stop()
    async with running_core(tmp_path / "other") as other:
        await other.stop()
        other.port = core.port
        await other.start()
        failure, pause_s = await first_failure(tmp_path / "agent")
        assert isinstance(failure, UntrustedCore)
        assert pause_s >= REFUSED_FIRST_S / 2
        assert other.engine.connects == []
    await core.start()


async def test_an_expired_certificate_is_told_before_anything_is_dialled(tmp_path: Path) -> None:
    old = ShiftedClock(-timedelta(days=91))
    async with running_core(tmp_path / "pki", ca_clock=old) as core:
        old.shift = timedelta(0)
        await core.stop()
        await core.start()  # with a certificate of today
        old.shift = -timedelta(days=91)
        await core.enrol(tmp_path / "agent")
        failure, _ = await first_failure(tmp_path / "agent")
        assert isinstance(failure, PeerCertificateExpired)
        assert core.engine.connects == []


async def test_a_folder_without_an_identity_ends_the_link_at_once(tmp_path: Path) -> None:
    link = Link(tmp_path, AgentDouble(), facts=FACTS)
    with pytest.raises(NotEnrolled):
        await link.run(asyncio.Event())


@pytest.mark.parametrize("content", ["{}", "[]", "", '{"peer_id":"s1","name":"w","role":"agent","urls":[]}'])
async def test_a_damaged_identity_ends_the_link_at_once(core: CoreBench, tmp_path: Path, content: str) -> None:
    await core.enrol(tmp_path / "agent")
    await asyncio.to_thread((tmp_path / "agent" / "peer.json").write_text, content)
    with pytest.raises(NotEnrolled, match=r"peer\.json"):
        await Link(tmp_path / "agent", AgentDouble(), facts=FACTS).run(asyncio.Event())


@pytest.mark.parametrize("name", ["key.pem", "cert.pem", "ca.pem"])
@pytest.mark.parametrize("content", [b"", b"\xff garbage", None], ids=["empty", "garbage", "absent"])
async def test_a_damaged_file_of_the_identity_is_named(
    core: CoreBench, tmp_path: Path, name: str, content: bytes | None
) -> None:
    await core.enrol(tmp_path / "agent")
    file = tmp_path / "agent" / name
    await asyncio.to_thread(file.unlink if content is None else lambda: file.write_bytes(content or b""))
    failure, pause_s = await first_failure(tmp_path / "agent")
    assert isinstance(failure, CertificateMalformed)
    assert pause_s >= REFUSED_FIRST_S / 2


async def test_a_clock_that_is_far_off_is_noted(core: CoreBench, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "agent")
    link = Link(tmp_path / "agent", AgentDouble(), ShiftedClock(timedelta(minutes=5)), facts=FACTS)
    stop = asyncio.Event()
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(link.run(stop))
        await asyncio.wait_for(link.wait_connected(), 10)
        stop.set()
        await running
    assert [line["ahead_s"] for line in lines if "clock" in line["event"]] == [300]


async def test_a_server_that_is_no_core_is_told(core: CoreBench, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "agent")
    await core.stop()
    core.engine.greet_error = None
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    context = await asyncio.to_thread(lambda: core.ca.server_files().server_context())
    await web.TCPSite(runner, "127.0.0.1", core.port, ssl_context=context).start()
    failure, _ = await first_failure(tmp_path / "agent")
    await runner.cleanup()
    await core.start()
    assert isinstance(failure, CoreUnreachable)
    assert "HTTP status 404" in str(failure)


def test_waiting_doubles_up_to_half_a_minute_with_jitter_and_begins_anew_after_a_good_connection() -> None:
    backoff = Backoff(random.Random(5))
    for attempt in range(12):
        bound = min(LONGEST_S, FIRST_S * 2**attempt)
        assert bound / 2 <= backoff.next_s(refused=False) <= bound
    backoff.reset()
    assert backoff.next_s(refused=False) <= FIRST_S
    pauses = {Backoff(random.Random(seed)).next_s(refused=False) for seed in range(20)}
    assert len(pauses) == 20


def test_after_a_refusal_the_wait_is_long() -> None:
    backoff = Backoff(random.Random(5))
    waits = [backoff.next_s(refused=True) for _ in range(10)]
    assert waits[0] >= REFUSED_FIRST_S / 2
    assert REFUSED_LONGEST_S / 2 <= waits[-1] <= REFUSED_LONGEST_S


class NeverAgain(EagerBackoff):
    """Waits longer than any test."""

    def next_s(self, *, refused: bool) -> float:
        super().next_s(refused=refused)
        return 3600.0


def dead_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"https://127.0.0.1:{free.getsockname()[1]}"


async def test_all_addresses_are_tried_before_there_is_a_pause(core: CoreBench, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "agent")
    set_addresses(tmp_path / "agent", dead_address(), dead_address(), core.url)
    async with running_peer(tmp_path / "agent", NeverAgain) as peer:
        await peer.agent.changes.until(lambda: peer.agent.welcomes)
        assert len(peer.agent.failures) == 2
        assert peer.backoff.pauses == []


async def test_a_core_that_writes_its_address_down_is_dialled_at_once(core: CoreBench, tmp_path: Path) -> None:
    """As a core does that starts on the data directory of an agent which goes on dialling the old port."""
    await core.enrol(tmp_path / "agent")
    set_addresses(tmp_path / "agent", dead_address())
    async with running_peer(tmp_path / "agent", NeverAgain) as peer:
        await peer.agent.changes.until(lambda: peer.backoff.pauses)
        set_addresses(tmp_path / "agent", core.url)
        await peer.agent.changes.until(lambda: peer.agent.welcomes)


def set_addresses(folder: Path, *urls: str) -> None:
    file = folder / "peer.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"urls": urls}))
