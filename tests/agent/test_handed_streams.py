"""What a sender on the same host hands over: read to the byte, and whole only where the sender says so."""

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from phoenix_core.agent.handedstreams import HandedStreams, StreamCut, StreamNotWaiting
from phoenix_core.agent.streamframes import DATA, ENDED, GAVE_UP, HELLO, send_frame
from phoenix_core.domain.errors import Cancelled


class Handed:
    def __init__(self) -> None:
        self.now_s = 1000.0
        self.streams = HandedStreams(lambda: self.now_s)
        self.sender, self._agents_end = socket.socketpair()
        self.token = self.streams.wait(self._agents_end, 60)
        self.ticks, self.tick_s = 0, 0.0
        self.on_tick: Callable[[], object] = lambda: None

    def read(self) -> bytes:
        """All of it, as a job reads it."""
        got, buffer = bytearray(), bytearray(700)
        with self.streams.take(self.token, "orders", self.tick) as stream:
            while count := stream.read_into(memoryview(buffer)):
                got += buffer[:count]
            stream.finish()
        return bytes(got)

    def tick(self) -> None:
        self.ticks += 1
        self.now_s += self.tick_s
        self.on_tick()

    def close(self) -> None:
        self.sender.close()
        self._agents_end.close()


@pytest.fixture
def handed() -> Iterator[Handed]:
    made = Handed()
    yield made
    made.close()


@pytest.mark.parametrize("pieces", [[], [b"one line\n"], [b"", b"a", b"b" * 1000], [os.urandom(100_000), b"end"]])
def test_what_is_sent_is_read_to_the_byte(handed: Handed, pieces: list[bytes]) -> None:
    def send() -> None:
        for piece in pieces:
            send_frame(handed.sender, DATA, piece)
        send_frame(handed.sender, ENDED)

    sending = threading.Thread(target=send)
    sending.start()
    assert handed.read() == b"".join(pieces)
    sending.join()


def test_a_sender_that_goes_away_has_not_ended(handed: Handed) -> None:
    send_frame(handed.sender, DATA, b"half a dump")
    handed.sender.close()
    with pytest.raises(StreamCut, match="went away"):
        handed.read()


def test_nor_has_one_that_gives_up_and_its_reason_is_told(handed: Handed) -> None:
    send_frame(handed.sender, DATA, b"half a dump")
    send_frame(handed.sender, GAVE_UP, b"the command that prints it ended with exit code 3")
    with pytest.raises(StreamCut, match="exit code 3"):
        handed.read()


@pytest.mark.parametrize(
    "said",
    [struct.pack(">cI", DATA, 1 << 31), struct.pack(">cI", GAVE_UP, 1 << 31), struct.pack(">cI", HELLO, 2), b"?????"],
    ids=["too much at once", "a long reason", "a second greeting", "nonsense"],
)
def test_nor_has_one_that_makes_no_sense(handed: Handed, said: bytes) -> None:
    handed.sender.sendall(said)
    with pytest.raises(StreamCut, match="what no sender says"):
        handed.read()


def test_a_cancelled_job_waits_for_no_sender(handed: Handed) -> None:
    def cancelled() -> None:
        raise Cancelled(who="operator")

    with handed.streams.take(handed.token, "orders", cancelled) as stream, pytest.raises(Cancelled):
        stream.read_into(memoryview(bytearray(10)))


def test_one_that_hangs_is_cut_at_its_time_out(handed: Handed) -> None:
    handed.tick_s = 20
    send_frame(handed.sender, DATA, b"half a dump")
    with pytest.raises(StreamCut, match="longer than its time-out of 60 seconds"):
        handed.read()
    assert handed.ticks == 3


def test_so_is_one_that_keeps_the_agent_waiting_again_and_again(handed: Handed) -> None:
    handed.now_s += 1000  # until it is taken nothing counts
    handed.tick_s = 19
    handed.on_tick = lambda: send_frame(handed.sender, DATA, b"r")
    with pytest.raises(StreamCut, match="waited for longer"):
        handed.read()
    assert handed.ticks == 4


def test_one_that_is_held_up_by_a_slow_storage_is_not_cut(handed: Handed) -> None:
    send_frame(handed.sender, DATA, b"rows" * 100)
    with handed.streams.take(handed.token, "orders", handed.tick) as stream:
        for _ in range(40):
            handed.now_s += 3600
            assert stream.read_into(memoryview(bytearray(10))) == 10


def test_a_stream_is_taken_once_and_one_that_nobody_hands_over_is_none(handed: Handed) -> None:
    handed.streams.take(handed.token, "orders", handed.tick)
    for token in (handed.token, "another"):
        with pytest.raises(StreamNotWaiting, match="orders"):
            handed.streams.take(token, "orders", handed.tick)
