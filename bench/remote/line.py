"""A line of 1 Gbit/s and 20 ms to a network namespace of its own. Needs root, and iproute2."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from bench.measure import Failed
from bench.remote.relay import GIVE, ORDER, TAKE, pull, push

NEAR, FAR = "10.213.47.1", "10.213.47.2"
RELAY_PORT, NODE_PORT = 8445, 8444
RAW_PORT, PARTNER_PORT = 8447, 8446
SHAPE = ("tbf", "rate", "1gbit", "burst", "256kb", "latency", "50ms")
ROOT = Path(__file__).parents[2]


class Passed(msgspec.Struct, frozen=True):
    """What the relay counted."""

    connections: int
    round_trips: int
    up_bytes: int
    down_bytes: int

    def since(self, before: "Passed") -> "Passed":
        return Passed(
            self.connections - before.connections,
            self.round_trips - before.round_trips,
            self.up_bytes - before.up_bytes,
            self.down_bytes - before.down_bytes,
        )


class Line:
    """What reaches the far end. `NODE_PORT` of its loopback is reached at `FAR:RELAY_PORT`."""

    def __init__(self, namespace: str, relay: "subprocess.Popen[str]") -> None:
        self._namespace = namespace
        self._relay = relay

    def there(self, *command: str) -> list[str]:
        """The command, to be run at the far end."""
        return ["ip", "netns", "exec", self._namespace, *command]

    def passed(self) -> Passed:
        assert self._relay.stdin is not None
        self._relay.stdin.write("\n")
        self._relay.stdin.flush()
        return msgspec.convert(json.loads(_line(self._relay.stdout)), Passed)

    def raw_bytes_per_s(self, count: int, *, up: bool) -> float:
        """What the line carries of a plain socket's bytes."""
        with socket.create_connection((FAR, RAW_PORT)) as connection:
            began = time.monotonic()
            connection.sendall(ORDER.pack(TAKE if up else GIVE, count))
            if up:
                push(connection, count)
                pull(connection, len(TAKE))
            else:
                pull(connection, count)
            return count / (time.monotonic() - began)


@contextlib.contextmanager
def long_line() -> Iterator[Line]:
    """Everything is gone at the end."""
    namespace = f"phoenix-bench-{os.getpid()}"
    near, far = f"phxn{os.getpid()}"[:15], f"phxf{os.getpid()}"[:15]
    with contextlib.ExitStack() as held:
        _ip("netns", "add", namespace)
        held.callback(_ip, "netns", "del", namespace)
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", namespace)
        held.callback(_ip, "link", "del", near)
        _ip("address", "add", f"{NEAR}/30", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", namespace, "address", "add", f"{FAR}/30", "dev", far)
        _ip("-n", namespace, "link", "set", far, "up")
        _ip("-n", namespace, "link", "set", "lo", "up")
        _run("tc", "qdisc", "add", "dev", near, "root", *SHAPE)
        _run("tc", "-n", namespace, "qdisc", "add", "dev", far, "root", *SHAPE)
        ways = (f"{FAR}:{RELAY_PORT}=127.0.0.1:{NODE_PORT}", f"{FAR}:{RAW_PORT}=127.0.0.1:{PARTNER_PORT}")
        held.enter_context(_helper(namespace, "partner", f"127.0.0.1:{PARTNER_PORT}"))
        yield Line(namespace, held.enter_context(_helper(namespace, "relay", *ways)))


@contextlib.contextmanager
def _helper(namespace: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    child = subprocess.Popen(
        ["ip", "netns", "exec", namespace, sys.executable, "-m", "bench.remote.relay", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        _line(child.stdout)
        yield child
    finally:
        child.kill()
        child.communicate()


def _line(out: IO[str] | None) -> str:
    assert out is not None
    line = out.readline()
    if not line:
        raise Failed("a process of the line ended")
    return line


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
