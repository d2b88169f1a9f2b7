"""Hand-over on one host: a Unix socket (mode 0600) over which packs travel as file descriptors.

One thread per connection; requests of a connection are answered in order. The node copies a pack that it is handed into
a file of its own before it looks at it, and hands out read-only descriptors.
"""

import contextlib
import logging
import os
import socket
import struct
import threading
from pathlib import Path

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import PackId
from phoenix_core.host.unixsocket import listen_unix
from phoenix_core.storage.dispatch import call_job
from phoenix_core.storage.errors import BadRequest, StorageFailed
from phoenix_core.storage.frames import receive_frame, send_frame
from phoenix_core.storage.jobs import JobDesk
from phoenix_core.storage.wire import MAX_CALL_BYTES, Answer, OpenPackCall, PutPack, Request, decode_request, encode
from phoenix_core.vault.malformed import MALFORMED

log = logging.getLogger(__name__)
_PEER = struct.Struct("3i")


class HandoverServer:
    """Listens from `start` until `stop`."""

    def __init__(self, desk: JobDesk, path: Path) -> None:
        self._desk = desk
        self._path = path
        self._listener: socket.socket | None = None
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._acceptor = threading.Thread(target=self._accept, name="storage-handover", daemon=True)

    def start(self) -> None:
        self._listener = listen_unix(self._path)
        self._acceptor.start()

    def stop(self) -> None:
        """End all connections; a pack that is being taken in is finished first."""
        if self._listener is None:
            return
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        with self._lock:
            open_now = dict(self._connections)
        for thread, connection in open_now.items():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
            thread.join()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        assert self._listener is not None
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), name="storage-job", daemon=True)
            with self._lock:
                self._connections[thread] = connection
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        pid, uid, gid = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        log.info("hand-over connection from process %d of user %d, group %d", pid, uid, gid)
        try:
            with connection:
                while True:
                    body, fd = receive_frame(connection, MAX_CALL_BYTES)
                    try:
                        self._answer(connection, body, fd)
                    finally:
                        if fd >= 0:
                            os.close(fd)
        except OSError as error:
            log.info("hand-over connection from process %d ended: %s", pid, error)
        finally:
            with self._lock:
                self._connections.pop(threading.current_thread(), None)

    def _answer(self, connection: socket.socket, body: bytearray, fd: int) -> None:
        try:
            request = decode_request(body)
            if isinstance(request.call, OpenPackCall):
                with self._desk.open_pack(request.token, PackId(request.call.pack_id)) as opened:
                    send_frame(connection, encode(Answer(result=opened.length)), opened.fileno())
                return
            answer = Answer(result=self._call(request, fd))
        except MALFORMED as error:
            answer = Answer(error=BadRequest(detail=error).view())
        except PhoenixError as error:
            log.warning("a job's call was refused: %s (%s)", error, error.code)
            answer = Answer(error=error.view())
        except Exception as error:
            log.exception("a job's call failed")
            failed = StorageFailed(action="The call", name="", place="the storage node", detail=error)
            answer = Answer(error=failed.view())
        send_frame(connection, encode(answer))

    def _call(self, request: Request, fd: int) -> object:
        if isinstance(request.call, PutPack):
            if fd < 0:
                raise BadRequest(detail="PutPack came without a descriptor")
            self._desk.put_pack(request.token, PackId(request.call.pack_id), fd, request.call.length)
            return None
        return call_job(self._desk, request.token, request.call)
