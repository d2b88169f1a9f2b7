"""What runs in the far end's network namespace: the relay that makes a line long, and a partner for the raw line.

`python -m bench.remote.relay relay HOST:PORT=HOST:PORT…` passes connections on, each byte `ONE_WAY_S` after it came. It
answers every line on its standard input with a line of JSON, its counts so far. `… partner HOST:PORT` takes or gives
bytes as fast as they go."""

import json
import socket
import struct
import sys
import threading
import time
from collections import deque

ONE_WAY_S = 0.010
PIECE_BYTES = 256 << 10
HELD_BYTES = 16 << 20
"""On the way at once, a direction of a connection; 1 Gbit/s fills 1.25 MB of it."""
TAKE, GIVE = b"t", b"g"
ORDER = struct.Struct("!cQ")
Address = tuple[str, int]


class Counts:
    """Of all connections. A round trip: somebody at the near end says something after hearing something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.connections = 0
        self.round_trips = 0
        self.up_bytes = 0
        self.down_bytes = 0

    def connected(self) -> None:
        with self._lock:
            self.connections += 1
            self.round_trips += 1

    def passed(self, *, up: bool, length: int, turn: bool) -> None:
        with self._lock:
            self.round_trips += turn
            if up:
                self.up_bytes += length
            else:
                self.down_bytes += length

    def as_json(self) -> str:
        with self._lock:
            return json.dumps({key: value for key, value in vars(self).items() if not key.startswith("_")})


class _Passing:
    """One connection, both ways."""

    def __init__(self, near: socket.socket, far: socket.socket, counts: Counts) -> None:
        self._counts = counts
        self._up_last = False
        for up, source, target in ((True, near, far), (False, far, near)):
            held: deque[tuple[float, bytes]] = deque()
            changed = threading.Condition()
            threading.Thread(target=self._read, args=(up, source, held, changed), daemon=True).start()
            threading.Thread(target=self._write, args=(target, held, changed), daemon=True).start()

    def _read(
        self, up: bool, source: socket.socket, held: deque[tuple[float, bytes]], changed: threading.Condition
    ) -> None:
        while True:
            try:
                data = source.recv(PIECE_BYTES)
            except OSError:
                data = b""
            if data:
                self._counts.passed(up=up, length=len(data), turn=up and not self._up_last)
                self._up_last = up
            with changed:
                held.append((time.monotonic() + ONE_WAY_S, data))
                changed.notify()
                if not data:
                    return
                changed.wait_for(lambda: len(held) * PIECE_BYTES <= HELD_BYTES or _bytes_in(held) <= HELD_BYTES)

    def _write(self, target: socket.socket, held: deque[tuple[float, bytes]], changed: threading.Condition) -> None:
        broken = False
        while True:
            with changed:
                changed.wait_for(lambda: held)
                due, data = held.popleft()
                changed.notify()
            wait_s = due - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            try:
                if not data:
                    target.shutdown(socket.SHUT_WR)
                elif not broken:
                    target.sendall(data)
            except OSError:
                broken = True
            if not data:
                return


def _bytes_in(held: deque[tuple[float, bytes]]) -> int:
    return sum(len(data) for _, data in held)


def _serve(near: Address, far: Address, counts: Counts) -> None:
    listener = socket.create_server(near, backlog=64)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_accept, args=(connection, far, counts), daemon=True).start()


def _accept(connection: socket.socket, far: Address, counts: Counts) -> None:
    time.sleep(2 * ONE_WAY_S)  # what making the connection takes
    try:
        onward = socket.create_connection(far)
    except OSError:
        connection.close()
        return
    for each in (connection, onward):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    counts.connected()
    _Passing(connection, onward, counts)


def _relay(ways: list[str]) -> None:
    counts = Counts()
    for way in ways:
        near, _, far = way.partition("=")
        threading.Thread(target=_serve, args=(_address(near), _address(far), counts), daemon=True).start()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(counts.as_json(), flush=True)


def _partner(at: Address) -> None:
    listener = socket.create_server(at)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        with connection:
            exchange(connection)


def exchange(connection: socket.socket) -> None:
    """Do what the other end orders: take so many bytes and acknowledge them, or give so many."""
    kind, left = ORDER.unpack(connection.recv(ORDER.size, socket.MSG_WAITALL))
    if kind == GIVE:
        push(connection, left)
        return
    pull(connection, left)
    connection.sendall(TAKE)


def push(connection: socket.socket, count: int) -> None:
    piece = bytes(PIECE_BYTES)
    while count:
        part = memoryview(piece)[: min(count, PIECE_BYTES)]
        connection.sendall(part)
        count -= len(part)


def pull(connection: socket.socket, count: int) -> None:
    buffer = bytearray(PIECE_BYTES)
    while count:
        got = connection.recv_into(buffer)
        if not got:
            raise ConnectionError("the other end went away")
        count -= got


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    if sys.argv[1] == "relay":
        _relay(sys.argv[2:])
    else:
        _partner(_address(sys.argv[2]))
