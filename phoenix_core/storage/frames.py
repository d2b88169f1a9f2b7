"""Frames over a stream socket: length (u32, little-endian), then so many bytes; a descriptor may ride on the first."""

import array
import os
import socket
import struct

_LENGTH = struct.Struct("<I")
_ANCILLARY_BYTES = socket.CMSG_SPACE(4)


class ConnectionEnded(ConnectionError):
    """The other end closed between two frames, or within one."""


def send_frame(sock: socket.socket, body: bytes, fd: int = -1) -> None:
    header = _LENGTH.pack(len(body))
    if fd >= 0:
        sock.sendmsg([header], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        sock.sendall(body)
    else:
        sock.sendall(header + body)


def receive_frame(sock: socket.socket, limit: int) -> tuple[bytearray, int]:
    """A frame's bytes and the descriptor that came along, or -1. The caller closes the descriptor.

    Raises ConnectionEnded, also for a frame above `limit` bytes.
    """
    header = bytearray(_LENGTH.size)
    fd = -1
    try:
        got, ancillary, _, _ = sock.recvmsg_into([header], _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
        fd = _descriptor(ancillary)
        if got == 0:
            raise ConnectionEnded("the connection was closed")
        _receive_exactly(sock, memoryview(header)[got:])
        (length,) = _LENGTH.unpack(header)
        if length > limit:
            raise ConnectionEnded(f"a frame of {length} bytes is above the limit of {limit}")
        body = bytearray(length)
        _receive_exactly(sock, memoryview(body))
    except BaseException:
        if fd >= 0:
            os.close(fd)
        raise
    return body, fd


def _receive_exactly(sock: socket.socket, view: memoryview) -> None:
    while view.nbytes:
        got = sock.recv_into(view)
        if got == 0:
            raise ConnectionEnded("the connection broke off within a frame")
        view = view[got:]


def _descriptor(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The first descriptor; all others that a peer sent along are closed."""
    received = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            received.frombytes(data[: len(data) - len(data) % received.itemsize])
    for extra in received[1:]:
        os.close(extra)
    return received[0] if received else -1
