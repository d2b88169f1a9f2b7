"""One kept-alive HTTPS connection to a storage node, for blocking callers; threads take turns."""

import base64
import http.client
import os
import ssl
import threading
import urllib.parse
from collections.abc import Callable

import msgspec

from phoenix_core.agentlink.proxy import Proxy, proxy_for
from phoenix_core.domain.errors import ErrorView
from phoenix_core.storage.errors import AnswerMalformed, BadRequest, StorageUnreachable, from_view
from phoenix_core.vault.malformed import MALFORMED

TIMEOUT_S = 300.0
BLOCK_BYTES = 1 << 20
ANSWER_BYTES = 64 << 20
"""More has only an answer that grows with the vault."""
ERROR_BYTES = 1 << 20
_BROKEN = (OSError, http.client.HTTPException)
TlsContext = Callable[[], ssl.SSLContext]


Pace = Callable[[int], int]
"""Told how many bytes are to be sent: waits, and returns how many may be, at least one."""


class FdBody:
    """So many bytes of a descriptor as a request body; each attempt reads them anew."""

    def __init__(self, fd: int, length: int, pace: Pace | None = None) -> None:
        self._fd = fd
        self._at = 0
        self._left = length
        self._pace = pace

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        if wanted and self._pace is not None:
            wanted = self._pace(wanted)
        data = os.pread(self._fd, wanted, self._at) if wanted else b""
        self._at += len(data)
        self._left -= len(data)
        return data


Body = Callable[[], bytes | FdBody]


class NodeConnection:
    """Connects at the first request, and once again where a kept connection turns out to be gone."""

    def __init__(self, url: str, tls: TlsContext, *, timeout_s: float = TIMEOUT_S) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise BadRequest(detail=f"{url} is no https address")
        self.url = url.rstrip("/")
        self._host = parts.hostname
        self._port = parts.port or 443
        self._tls = tls
        self._context: ssl.SSLContext | None = None
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPSConnection | None = None
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: Body | None = None,
        *,
        most_bytes: int = ANSWER_BYTES,
    ) -> tuple[int, bytes]:
        """Status (below 300, or 416) and body. Raises the node's error, StorageUnreachable, and AnswerMalformed where
        the body is longer than `most_bytes`."""
        with self._lock:
            try:
                status, answer = self._once(method, path, headers, body, most_bytes)
            except _BROKEN:
                self._drop()
                try:
                    status, answer = self._once(method, path, headers, body, most_bytes)
                except _BROKEN as error:
                    self._drop()
                    raise StorageUnreachable(place=self.url, detail=error) from error
        if status < 300 or status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return status, answer
        try:
            raise from_view(msgspec.json.decode(answer, type=ErrorView))
        except MALFORMED as error:
            raise StorageUnreachable(place=self.url, detail=f"it answered with status {status}") from error

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _once(
        self, method: str, path: str, headers: dict[str, str], body: Body | None, most_bytes: int
    ) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request(method, path, body=body() if body else None, headers=headers)
        response = self._connection.getresponse()
        most = most_bytes if response.status < 300 else ERROR_BYTES
        try:
            return response.status, _body(response, most)
        except _TooLong as error:
            self._drop()
            raise AnswerMalformed(place=self.url, detail=f"its answer has more than {most:,} bytes") from error

    def _connect(self) -> http.client.HTTPSConnection:
        if self._context is None:
            self._context = self._tls()
        proxy = proxy_for(self.url)
        via = urllib.parse.urlsplit(proxy.url) if proxy else None
        connection = http.client.HTTPSConnection(
            (via.hostname or "") if via else self._host,
            (via.port or 80) if via else self._port,
            timeout=self._timeout_s,
            context=self._context,
            blocksize=BLOCK_BYTES,
        )
        if proxy is not None:
            connection.set_tunnel(self._host, self._port, _authorisation(proxy))
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _TooLong(Exception):
    """An answer goes on for longer than one may."""


def _body(response: http.client.HTTPResponse, most_bytes: int) -> bytes:
    """At once where its length is told, which is bounded then; else piece by piece, since it may never end."""
    if response.length is not None:
        if response.length > most_bytes:
            raise _TooLong
        return response.read()
    body = bytearray()
    while piece := response.read(BLOCK_BYTES):
        body += piece
        if len(body) > most_bytes:
            raise _TooLong
    return bytes(body)


def _authorisation(proxy: Proxy) -> dict[str, str]:
    if not proxy.user:
        return {}
    both = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
    return {"Proxy-Authorization": f"Basic {both}"}
