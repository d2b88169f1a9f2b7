"""Follows the core's event stream over its Unix socket, with the standard library only: tests wait on events."""

import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WITHIN_S = 90.0 * float(os.environ.get("PHOENIX_TEST_PATIENCE", "1"))
"""A machine that is busy with other work needs more of it."""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def get(core_socket: Path, path: str) -> Any:
    """The JSON of a resource of the operators' API."""
    connection = UnixConnection(core_socket, WITHIN_S)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def wait_until(core_socket: Path, what: str, ready: Callable[[], Any]) -> Any:
    """Ask `ready` at once and after each event, until it gives something true, which is returned."""
    for _ in events(core_socket):
        found = ready()
        if found:
            return found
    raise AssertionError(f"{what} did not come about within {WITHIN_S:g} s")


def events(core_socket: Path) -> Iterator[dict[str, Any]]:
    """Events from now on, at most for `WITHIN_S`; the first one comes at once."""
    end = time.monotonic() + WITHIN_S
    connection = UnixConnection(core_socket, WITHIN_S)
    try:
        connection.request("GET", "/v1/events")
        answer = connection.getresponse()
        while time.monotonic() < end:
            line = answer.readline()
            if not line:
                return
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))
    finally:
        connection.close()
