"""The core's end against peers that misbehave: each gets a clear reason, and nobody else notices."""

import asyncio
from contextlib import suppress
from pathlib import Path

import aiohttp
import msgspec
import pytest

from phoenix_core.agentlink import frames, hub
from phoenix_core.agentlink.certificates import make_request
from phoenix_core.agentlink.dial import CONNECT_PATH, http_session
from phoenix_core.agentlink.errors import FrameTooLarge, PeerAway
from phoenix_core.agentlink.messages import (
    BackupOrder,
    CancelOrder,
    Heartbeat,
    HeartbeatAnswer,
    Hello,
    JobKnown,
    KeysAnswer,
    KeysRequest,
    Message,
    ReportAck,
    TokenAnswer,
    TokenRequest,
    Welcome,
)
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.agentlink.reports import LogReport, Report
from phoenix_core.agentlink.tlsfiles import client_context_pem
from phoenix_core.domain.errors import Conflict, ErrorView
from tests.agentlink.bench import HELLO, CoreBench, greet, hear, hear_refusal, raw_peer, running_core
from tests.agentlink.golden_messages import EXAMPLES


def report(number: int, job: str = "j1") -> bytes:
    return frames.encode(Report(number=number, job=job, body=LogReport(level="info", text=str(number))))


@pytest.fixture
async def state(core: CoreBench, tmp_path: Path) -> Path:
    """The state folder of an enrolled peer, `s1`."""
    await core.enrol(tmp_path / "agent")
    return tmp_path / "agent"


# --- coming in -------------------------------------------------------------------------------------------------------


async def test_a_peer_of_another_version_is_refused_with_both_versions(core: CoreBench, state: Path) -> None:
    async with raw_peer(core, state) as socket:
        refused = await greet(socket, msgspec.structs.replace(HELLO, protocol=2))
        assert refused.error.code == "protocol_mismatch"  # type: ignore[union-attr]
        assert "version 2" in refused.error.message  # type: ignore[union-attr]
        assert "version 1" in refused.error.message  # type: ignore[union-attr]
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert core.engine.connects == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"", "frame_garbled"),
        (b"\xc1garbage", "frame_garbled"),
        (frames.encode(Heartbeat(number=1)), "frame_garbled"),
        (msgspec.msgpack.encode({"type": "Hello", "protocol": 1}), "frame_garbled"),
    ],
    ids=["empty", "garbage", "no greeting", "half a greeting"],
)
async def test_a_bad_greeting_is_refused(core: CoreBench, state: Path, frame: bytes, code: str) -> None:
    async with raw_peer(core, state) as socket:
        await socket.send_bytes(frame)
        assert await hear_refusal(socket) == code
    assert core.engine.connects == []


async def test_a_connection_without_a_certificate_is_turned_away(core: CoreBench, state: Path) -> None:
    context = client_context_pem(core.ca.ca_pem)
    async with http_session(context, 10) as session, session.get(core.url + CONNECT_PATH) as answer:
        assert answer.status == 401
        assert msgspec.json.decode(await answer.read(), type=ErrorView).code == "certificate_needed"


async def test_the_cores_own_certificate_is_no_peers(core: CoreBench, state: Path) -> None:
    files = await asyncio.to_thread(core.ca.server_files)
    context = await asyncio.to_thread(files.client_context)
    async with http_session(context, 10) as session, session.get(core.url + CONNECT_PATH) as answer:
        assert answer.status == 401


async def test_a_peer_that_never_greets_is_let_go(
    core: CoreBench, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "GREETING_TIMEOUT_S", 0.05)
    async with raw_peer(core, state) as socket, asyncio.timeout(10):
        assert (await socket.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}


async def test_what_the_engine_refuses_is_passed_on(core: CoreBench, state: Path) -> None:
    core.engine.greet_error = Conflict(detail="Not now.", advice="Later.")
    async with raw_peer(core, state) as socket:
        await socket.send_bytes(frames.encode(HELLO))
        assert await hear_refusal(socket) == "conflict"
    assert not core.engine.connects
    assert not core.engine.disconnects


async def test_the_newest_connection_of_a_peer_wins_and_events_stay_in_turn(core: CoreBench, state: Path) -> None:
    async with raw_peer(core, state) as older:
        assert isinstance(await greet(older), Welcome)
        async with raw_peer(core, state) as newer:
            assert isinstance(await greet(newer, msgspec.structs.replace(HELLO, instance="i2")), Welcome)
            assert await hear_refusal(older) == "peer_replaced"
            await core.engine.changes.until(lambda: len(core.engine.connects) == 2)
            assert core.engine.disconnects == ["s1"]
            await core.hub.send("s1", CancelOrder(job="j1", who="operator"))
            assert await hear(newer) == CancelOrder(job="j1", who="operator")


async def test_a_new_connection_waits_for_the_report_in_hand(core: CoreBench, state: Path) -> None:
    core.engine.hold_reports.clear()
    async with raw_peer(core, state) as older:
        await greet(older)
        await older.send_bytes(report(1))
        await core.engine.changes.until(lambda: core.engine.reports_begun == 1)
        async with raw_peer(core, state) as newer:
            await newer.send_bytes(frames.encode(HELLO))
            waiting = asyncio.create_task(hear(newer))
            await hear_refusal_of_replaced(older, core)
            assert not waiting.done()
            core.engine.hold_reports.set()
            assert isinstance(await waiting, Welcome)
    assert [each.number for each in core.engine.reports] == [1]


async def hear_refusal_of_replaced(socket: aiohttp.ClientWebSocketResponse, core: CoreBench) -> None:
    """The older connection ends only once its report is through; until then the peer is still its owner."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert core.hub.connected("s1")
    assert core.engine.disconnects == []


# --- being there -----------------------------------------------------------------------------------------------------


async def test_heartbeats_are_answered_even_while_a_report_is_in_hand(core: CoreBench, state: Path) -> None:
    core.engine.hold_reports.clear()
    async with raw_peer(core, state) as socket:
        await greet(socket)
        await socket.send_bytes(report(1))
        await socket.send_bytes(frames.encode(Heartbeat(number=42)))
        assert await hear(socket) == HeartbeatAnswer(number=42)
        core.engine.hold_reports.set()
        assert await hear(socket) == ReportAck(number=1)


async def test_reports_are_acknowledged_in_order_each_after_its_handler(core: CoreBench, state: Path) -> None:
    async with raw_peer(core, state) as socket:
        await greet(socket)
        for number in range(1, 101):
            await socket.send_bytes(report(number))
        assert [await hear(socket) for _ in range(100)] == [ReportAck(number=number) for number in range(1, 101)]
    assert [each.number for each in core.engine.reports] == list(range(1, 101))


async def test_a_report_that_can_not_be_kept_is_not_acknowledged(core: CoreBench, state: Path) -> None:
    core.engine.report_error = Conflict(detail="The disk is full.", advice="Free space.")
    async with raw_peer(core, state) as socket:
        await greet(socket)
        await socket.send_bytes(report(1))
        await socket.send_bytes(report(2))
        assert await hear_refusal(socket) == "conflict"
    await core.engine.changes.until(lambda: core.engine.disconnects)
    assert core.engine.reports_begun == 1


async def test_more_requests_than_are_worked_on_at_once_are_all_answered(core: CoreBench, state: Path) -> None:
    core.engine.hold_requests.clear()
    async with raw_peer(core, state) as socket:
        await greet(socket)
        for number in range(30):
            await socket.send_bytes(frames.encode(TokenRequest(number=number, job="j1")))
        await core.engine.changes.until(lambda: len(core.engine.requests) == 8)
        core.engine.hold_requests.set()
        answers = [await hear(socket) for _ in range(30)]
    assert sorted(answer.number for answer in answers if isinstance(answer, TokenAnswer)) == list(range(30))


async def test_a_request_that_fails_gets_the_error_as_its_answer(core: CoreBench, state: Path) -> None:
    async def refuse(*_: object) -> KeysAnswer:
        raise Conflict(detail="Not yours.", advice="Ask for your own.")

    async def crash(*_: object) -> KeysAnswer:
        raise RuntimeError("secret detail")

    async with raw_peer(core, state) as socket:
        await greet(socket)
        request = frames.encode(KeysRequest(number=9, job="j1", blocks=()))
        for handler, code in ((refuse, "conflict"), (crash, "internal")):
            core.engine.on_request = handler  # type: ignore[assignment,method-assign]
            await socket.send_bytes(request)
            answer = await hear(socket)
            assert isinstance(answer, KeysAnswer)
            assert answer.number == 9
            assert answer.error is not None
            assert answer.error.code == code
            assert "secret detail" not in answer.error.message


async def test_an_answer_too_long_for_a_frame_becomes_an_error(core: CoreBench, state: Path) -> None:
    async def answer_at_length(*_: object) -> KeysAnswer:
        return KeysAnswer(number=0, keys=(bytes(frames.MAX_FRAME_BYTES),))

    core.engine.on_request = answer_at_length  # type: ignore[assignment,method-assign]
    async with raw_peer(core, state) as socket:
        await greet(socket)
        await socket.send_bytes(frames.encode(KeysRequest(number=3, job="j1", blocks=())))
        answer = await hear(socket)
    assert isinstance(answer, KeysAnswer)
    assert answer.error is not None
    assert (answer.number, answer.error.code) == (3, "frame_too_large")


async def test_a_greeting_counts_no_further_than_the_certificate_and_the_catalog(core: CoreBench, state: Path) -> None:
    async with raw_peer(core, state) as socket:
        await greet(socket, msgspec.structs.replace(HELLO, role="storage", hostname="h" * 1000, platform="p" * 1000))
    _, hello = core.engine.connects[0]
    assert (hello.role, len(hello.hostname), len(hello.platform)) == ("agent", 255, 100)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\xc1", "frame_garbled"),
        (msgspec.msgpack.encode({"type": "Progress", "job": 5}), "frame_garbled"),
        (frames.encode(JobKnown()), "message_unknown"),
        (msgspec.msgpack.encode({"type": "FromTheFuture"}), "message_unknown"),
        (frames.encode(HELLO), "message_unexpected"),
    ],
    ids=["garbage", "wrong field", "of the core", "of a later version", "second greeting"],
)
async def test_a_bad_frame_ends_the_connection_with_its_reason(
    core: CoreBench, state: Path, frame: bytes, code: str
) -> None:
    async with raw_peer(core, state) as socket:
        await greet(socket)
        await socket.send_bytes(frame)
        assert await hear_refusal(socket) == code
    await core.engine.changes.until(lambda: core.engine.disconnects == ["s1"])


async def test_text_ends_the_connection_with_its_reason(core: CoreBench, state: Path) -> None:
    async with raw_peer(core, state) as socket:
        await greet(socket)
        await socket.send_str("hello")
        assert await hear_refusal(socket) == "frame_garbled"


async def test_an_oversized_frame_ends_this_connection_only(core: CoreBench, state: Path, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "other")
    async with raw_peer(core, tmp_path / "other") as bystander:
        await greet(bystander)
        async with raw_peer(core, state) as socket:
            await greet(socket)
            with suppress(ConnectionError):  # cut off while we are still talking
                await socket.send_bytes(bytes(frames.MAX_FRAME_BYTES + 1))
                async with asyncio.timeout(10):
                    assert (await socket.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        await core.engine.changes.until(lambda: core.engine.disconnects == ["s1"])
        await bystander.send_bytes(frames.encode(Heartbeat(number=1)))
        assert await hear(bystander) == HeartbeatAnswer(number=1)


async def test_a_message_too_long_for_a_frame_is_refused_to_its_sender(core: CoreBench, state: Path) -> None:
    async with raw_peer(core, state) as socket:
        await greet(socket)
        with pytest.raises(FrameTooLarge):
            await core.hub.send("s1", JobKnown(wanted=("x" * frames.MAX_FRAME_BYTES,)))
        await core.hub.send("s1", JobKnown(wanted=("j1",)))
        assert await hear(socket) == JobKnown(wanted=("j1",))


async def test_a_silent_peer_is_let_go_after_three_heartbeats(tmp_path: Path) -> None:
    async with running_core(tmp_path / "pki", heartbeat_s=0.05) as core:
        await core.enrol(tmp_path / "agent")
        async with raw_peer(core, tmp_path / "agent") as socket:
            await greet(socket)
            await core.engine.changes.until(lambda: core.engine.disconnects == ["s1"])
            assert not core.hub.connected("s1")
            with pytest.raises(PeerAway):
                await core.hub.send("s1", CancelOrder(job="j1", who="operator"))


async def test_a_peer_that_takes_nothing_does_not_hold_its_sender_up(tmp_path: Path) -> None:
    order = EXAMPLES["BackupOrder"]
    assert isinstance(order, BackupOrder)
    long: Message = msgspec.structs.replace(order, vault_public_key=bytes(4 << 20))
    async with running_core(tmp_path / "pki", heartbeat_s=0.1) as core:
        await core.enrol(tmp_path / "agent")
        async with raw_peer(core, tmp_path / "agent") as socket:
            await greet(socket)
            assert socket._conn is not None
            assert socket._conn.transport is not None
            socket._conn.transport.pause_reading()

            async def send_without_end() -> None:
                while True:
                    await core.hub.send("s1", long)

            with pytest.raises(PeerAway):
                await asyncio.wait_for(send_without_end(), 10)


# --- being let go ----------------------------------------------------------------------------------------------------


async def test_a_removed_peer_is_dropped_and_not_let_in_again(core: CoreBench, state: Path) -> None:
    async with raw_peer(core, state) as socket:
        await greet(socket)
        core.engine.serials.clear()
        dropped = asyncio.create_task(core.hub.drop("s1"))
        assert await hear_refusal(socket) == "peer_not_allowed"
        await dropped
    assert core.engine.disconnects == ["s1"]
    async with raw_peer(core, state) as socket:
        assert await hear_refusal(socket) == "peer_not_allowed"
    assert len(core.engine.connects) == 1


async def test_a_removed_peer_ends_at_its_next_heartbeat_at_the_latest(core: CoreBench, state: Path) -> None:
    async with raw_peer(core, state) as socket:
        await greet(socket)
        core.engine.serials.clear()
        await socket.send_bytes(frames.encode(Heartbeat(number=1)))
        assert await hear_refusal(socket) == "peer_not_allowed"


async def test_a_certificate_that_the_core_never_recorded_is_not_let_in(core: CoreBench, state: Path) -> None:
    """Signed by our CA, but for instance from a copy of the core's folder."""
    held = await asyncio.to_thread(PeerState.load, state)
    key = await asyncio.to_thread(held.signing_key)
    other = await asyncio.to_thread(core.ca.issue, make_request(key), "agent", "s1")
    await asyncio.to_thread(held.tls.cert.write_text, other.certificate_pem)
    async with raw_peer(core, state) as socket:
        assert await hear_refusal(socket) == "peer_not_allowed"


async def test_dropping_a_peer_that_is_away_does_nothing(core: CoreBench) -> None:
    await core.hub.drop("s99")


async def test_a_stopping_core_says_so_and_lets_nobody_in(core: CoreBench, state: Path, tmp_path: Path) -> None:
    await core.enrol(tmp_path / "other")
    async with raw_peer(core, state) as socket, raw_peer(core, tmp_path / "other") as undecided:
        await greet(socket)
        stopping = asyncio.create_task(core.hub.stop())
        assert await hear_refusal(socket) == "core_stopping"
        await stopping
        async with asyncio.timeout(10):
            assert (await undecided.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        async with raw_peer(core, state) as late:
            assert await hear_refusal(late) == "core_stopping"


async def test_a_stopping_core_ends_the_report_in_hand_first(core: CoreBench, state: Path) -> None:
    core.engine.hold_reports.clear()
    async with raw_peer(core, state) as socket:
        await greet(socket)
        await socket.send_bytes(report(1))
        await core.engine.changes.until(lambda: core.engine.reports_begun == 1)
        stopping = asyncio.create_task(core.hub.stop())
        await asyncio.sleep(0)
        core.engine.hold_reports.set()
        await stopping
    assert [each.number for each in core.engine.reports] == [1]
    assert core.engine.disconnects == ["s1"]


def test_a_greeting_of_this_version_is_what_the_tests_send() -> None:
    assert isinstance(frames.decode_hello(frames.encode(HELLO)), Hello)
