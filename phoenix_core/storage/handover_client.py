"""A job's end of the hand-over socket: `JobNode` for agents and their worker processes on the node's host."""

import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from phoenix_core.domain.ids import ChunkId, PackId, SnapshotId
from phoenix_core.host.unixsocket import socket_address
from phoenix_core.storage.answers import decoded, one_each
from phoenix_core.storage.errors import AnswerMalformed, StorageUnreachable, from_view
from phoenix_core.storage.frames import receive_frame, send_frame
from phoenix_core.storage.wire import (
    MAX_CALL_BYTES,
    Call,
    Locate,
    OpenPackCall,
    Present,
    PutPack,
    RenewLease,
    Request,
    StageSnapshot,
    decode_answer,
    encode,
)
from phoenix_core.vault.location import Location
from phoenix_core.vault.malformed import MALFORMED

T = TypeVar("T")
TIMEOUT_S = 300.0


class HandedPack:
    """A pack that the node opened for us. Context manager and `OpenPack`."""

    def __init__(self, fd: int, length: int) -> None:
        self._fd = fd
        self.length = length

    def pread(self, length: int, offset: int) -> bytes:
        return os.pread(self._fd, length, offset)

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class SocketJobNode:
    """`JobNode` over one connection, opened at the first call. Threads take turns. Every call may be repeated safely,
    so one that meets a node which was restarted is sent again over a new connection; a second failure is
    StorageUnreachable."""

    def __init__(self, path: Path, token: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._token = token
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def present(self, ids: Sequence[ChunkId], writer: int = 0) -> list[bool]:
        answers: list[bool] = self._ask(Present(list(ids), writer), one_each(bool, ids))
        return answers

    def put_pack(self, pack_id: PackId, fd: int, length: int) -> None:
        self._ask(PutPack(pack_id, length), None, fd)

    def locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        places: list[Location | None] = self._ask(Locate(list(ids)), one_each(Location | None, ids))
        return places

    def open_pack(self, pack_id: PackId) -> HandedPack:
        result, fd = self._exchange(OpenPackCall(pack_id), -1)
        if fd < 0:
            raise StorageUnreachable(place=self._path, detail="it handed no descriptor over")
        try:
            length = decoded(self._path, result, int)
        except AnswerMalformed:
            os.close(fd)
            raise
        return HandedPack(fd, length)

    def stage_snapshot(self, sealed: bytes) -> SnapshotId:
        return SnapshotId(self._ask(StageSnapshot(sealed), str))

    def renew_lease(self) -> None:
        self._ask(RenewLease(), None)

    def use_token(self, token: str) -> None:
        self._token = token

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _ask(self, call: Call, answer_type: Any, fd: int = -1) -> Any:
        result, extra = self._exchange(call, fd)
        if extra >= 0:
            os.close(extra)
        return decoded(self._path, result, answer_type)

    def _exchange(self, call: Call, fd: int) -> tuple[msgspec.Raw, int]:
        body = encode(Request(self._token, call))  # type: ignore[arg-type]
        with self._lock:
            try:
                received, got = self._round_trip(body, fd)
            except OSError:
                self._drop()
                try:
                    received, got = self._round_trip(body, fd)
                except OSError as error:
                    self._drop()
                    raise StorageUnreachable(place=self._path, detail=error.strerror or error) from error
        try:
            answer = decode_answer(received)
        except MALFORMED as error:
            if got >= 0:
                os.close(got)
            raise AnswerMalformed(place=self._path, detail=f"its answer can't be read ({error})") from error
        if answer.error is not None:
            if got >= 0:
                os.close(got)
            raise from_view(answer.error)
        return answer.result, got

    def _round_trip(self, body: bytes, fd: int) -> tuple[bytearray, int]:
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            connection.settimeout(self._timeout_s)
            try:
                with socket_address(self._path) as address:
                    connection.connect(address)
            except BaseException:
                connection.close()
                raise
            self._socket = connection
        send_frame(self._socket, body, fd)
        return receive_frame(self._socket, MAX_CALL_BYTES)

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
