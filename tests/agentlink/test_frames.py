"""Frames: every message keeps its encoding, and what can't be read is named."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.agentlink import frames
from phoenix_core.agentlink.directions import FromCore, FromPeer
from phoenix_core.agentlink.errors import FrameGarbled, FrameTooLarge, LinkError, MessageUnknown, ProtocolMismatch
from phoenix_core.agentlink.messages import PROTOCOL_VERSION, Heartbeat, Hello, Message, Welcome
from phoenix_core.agentlink.reports import LogReport, Report, ReportBody
from tests.agentlink.golden_messages import EXAMPLES, golden_file


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_message_is_encoded_as_ever(name: str) -> None:
    assert frames.encode(EXAMPLES[name]) == golden_file(name).read_bytes()


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_recorded_encoding_is_still_read(name: str) -> None:
    message = EXAMPLES[name]
    decode = frames.decode_from_peer if isinstance(message, FromPeer) else frames.decode_from_core
    assert decode(golden_file(name).read_bytes()) == message


def test_every_message_has_an_example() -> None:
    wanted = {cls.__name__ for cls in (*FromPeer.__args__, *FromCore.__args__)} - {"Report"}
    wanted |= {f"Report {cls.__name__}" for cls in ReportBody.__args__}
    assert set(EXAMPLES) == wanted


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_set_every_field_so_that_the_files_pin_them(name: str) -> None:
    message: Message = EXAMPLES[name]
    body = message.body if isinstance(message, Report) else message
    known = {field.encode_name for field in msgspec.structs.fields(body)}
    encoded = msgspec.msgpack.decode(golden_file(name).read_bytes())
    assert known <= set(encoded["body"] if isinstance(message, Report) else encoded)


def test_a_message_of_the_other_direction_is_unknown() -> None:
    with pytest.raises(MessageUnknown, match="Welcome"):
        frames.decode_from_peer(frames.encode(EXAMPLES["Welcome"]))
    with pytest.raises(MessageUnknown, match="Heartbeat"):
        frames.decode_from_core(frames.encode(Heartbeat(number=1)))


def test_a_wrong_field_is_named() -> None:
    frame = msgspec.msgpack.encode({"type": "Heartbeat", "number": "many"})
    with pytest.raises(FrameGarbled, match="number"):
        frames.decode_from_peer(frame)


def test_a_field_that_is_not_known_yet_is_passed_over() -> None:
    frame = msgspec.msgpack.encode({"type": "Heartbeat", "number": 4, "later": [1, 2]})
    assert frames.decode_from_peer(frame) == Heartbeat(number=4)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_but_a_clear_error(data: bytes) -> None:
    for decode in (frames.decode_from_peer, frames.decode_from_core, frames.decode_hello):
        with suppress(LinkError):
            decode(data)


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=4))
def test_damaged_frames_raise_a_clear_error_or_are_another_valid_message(at: int, patch: bytes) -> None:
    frame = bytearray(golden_file("Hello").read_bytes())
    at %= len(frame)
    frame[at : at + len(patch)] = patch
    with suppress(LinkError):
        frames.decode_hello(bytes(frame))


def test_a_greeting_of_another_version_is_told_by_its_version_alone() -> None:
    frame = msgspec.msgpack.encode({"type": "Hello", "protocol": PROTOCOL_VERSION + 1, "something": "new"})
    with pytest.raises(ProtocolMismatch, match=f"version {PROTOCOL_VERSION + 1}"):
        frames.decode_hello(frame)


def test_the_first_frame_must_be_a_greeting() -> None:
    with pytest.raises(FrameGarbled, match="greeting"):
        frames.decode_hello(msgspec.msgpack.encode({"type": "Progress", "protocol": 1}))
    hello = EXAMPLES["Hello"]
    assert isinstance(hello, Hello)
    assert frames.decode_hello(frames.encode(hello)) == hello


def test_a_message_over_the_limit_is_refused_before_it_is_sent() -> None:
    long = Report(number=1, job="j1", body=LogReport(level="info", text="x" * frames.MAX_FRAME_BYTES))
    with pytest.raises(FrameTooLarge):
        frames.encode(long)


def test_a_backup_of_a_parent_with_many_unusable_chunks_fits_a_frame() -> None:
    order = EXAMPLES["BackupOrder"]
    parent = msgspec.structs.replace(order.parent, unusable_chunks=tuple(bytes([7]) * 32 for _ in range(400_000)))  # type: ignore[attr-defined]
    assert len(frames.encode(msgspec.structs.replace(order, parent=parent))) < frames.MAX_FRAME_BYTES


def test_a_welcome_without_records_leaves_the_field_out() -> None:
    frame = frames.encode(Welcome(protocol=1, peer_id="s1", name="web1", heartbeat_s=10.0, core_time_ns=1))
    assert "last_record" not in msgspec.msgpack.decode(frame)
