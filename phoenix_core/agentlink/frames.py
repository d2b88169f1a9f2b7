"""One message ↔ one binary WebSocket frame: MessagePack, with errors that say what is wrong with a frame."""

from typing import Any

import msgspec

from phoenix_core.agentlink.directions import FromCore, FromPeer
from phoenix_core.agentlink.errors import FrameGarbled, FrameTooLarge, MessageUnknown
from phoenix_core.agentlink.messages import Hello, Message
from phoenix_core.agentlink.served import SERVED_PROTOCOLS, check_protocol

MAX_FRAME_BYTES = 16 << 20
"""Longest frame that either end takes. The longest of use are results with 1,000 long paths and keys of many blocks."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no message, or not the one that is wanted."""

_encoder = msgspec.msgpack.Encoder()
_from_peer: msgspec.msgpack.Decoder[FromPeer] = msgspec.msgpack.Decoder(FromPeer)
_from_core: msgspec.msgpack.Decoder[FromCore] = msgspec.msgpack.Decoder(FromCore)


class _AnyVersion(msgspec.Struct):
    """What a `Hello` of every version has."""

    type: str
    protocol: int


_any_version = msgspec.msgpack.Decoder(_AnyVersion)


def _tags(union: Any) -> frozenset[str]:
    return frozenset(cls.__name__ for cls in union.__args__)


_TAGS_FROM_PEER = _tags(FromPeer)
_TAGS_FROM_CORE = _tags(FromCore)


def encode(message: Message) -> bytes:
    """Raises FrameTooLarge."""
    frame = _encoder.encode(message)
    if len(frame) > MAX_FRAME_BYTES:
        raise FrameTooLarge(bytes=len(frame), limit=MAX_FRAME_BYTES)
    return frame


def decode_from_peer(frame: bytes) -> FromPeer:
    """Raises FrameGarbled, MessageUnknown."""
    try:
        return _from_peer.decode(frame)
    except UNREADABLE as error:
        raise _reason(frame, _TAGS_FROM_PEER, error) from error


def decode_from_core(frame: bytes) -> FromCore:
    """Raises FrameGarbled, MessageUnknown."""
    try:
        return _from_core.decode(frame)
    except UNREADABLE as error:
        raise _reason(frame, _TAGS_FROM_CORE, error) from error


def decode_hello(frame: bytes, served: range = SERVED_PROTOCOLS) -> Hello:
    """The first frame of a connection. Raises ProtocolMismatch for one that isn't served, whatever else it holds."""
    try:
        first = _any_version.decode(frame)
    except UNREADABLE as error:
        raise FrameGarbled(detail=f"the first is no greeting ({error})") from error
    if first.type != Hello.__name__:
        raise FrameGarbled(detail=f"the first is {first.type!r}, not a greeting")
    check_protocol(first.protocol, served)
    hello = decode_from_peer(frame)
    assert isinstance(hello, Hello)
    return hello


def _reason(frame: bytes, known: frozenset[str], error: Exception) -> FrameGarbled | MessageUnknown:
    try:
        tag = msgspec.msgpack.decode(frame, type=dict[str, Any]).get("type")
    except UNREADABLE:
        return FrameGarbled(detail=str(error).rstrip("."))
    if isinstance(tag, str) and tag not in known:
        return MessageUnknown(tag=tag[:64])
    return FrameGarbled(detail=str(error).rstrip("."))
