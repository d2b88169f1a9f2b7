"""Packs that are sent while the next one is filled: all durable at the end, an error never lost."""

import os
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from phoenix_core.agent.backup.packsender import PackSender


def pack(number: int) -> Any:
    fd = os.memfd_create("a pack")
    os.write(fd, bytes([number]) * 10)
    return SimpleNamespace(pack_id=bytes([number]), fd=fd, length=10)


def test_packs_are_sent_in_order_and_all_are_durable_at_the_end() -> None:
    got = []
    sender = PackSender(lambda pack_id, fd, length: got.append((pack_id, os.pread(fd, length, 0))))
    for number in range(5):
        made = pack(number)
        sender.send(made)
        os.close(made.fd)
    sender.finish()
    assert got == [(bytes([number]), bytes([number]) * 10) for number in range(5)]
    assert (sender.stored, sender.stored_bytes) == ([bytes([number]) for number in range(5)], 50)


def test_what_is_being_sent_holds_up_whoever_fills_packs_faster() -> None:
    may_end, begun = threading.Event(), threading.Event()

    def put(pack_id: bytes, fd: int, length: int) -> None:
        begun.set()
        assert may_end.wait(30)

    sender = PackSender(put)
    sender.send(pack(0))
    second = threading.Thread(target=sender.send, args=(pack(1),))
    second.start()
    assert begun.wait(30)
    second.join(0.05)
    assert second.is_alive()
    may_end.set()
    second.join(30)
    sender.finish()
    assert len(sender.stored) == 2


def test_an_error_ends_the_sending_and_is_raised() -> None:
    def put(pack_id: bytes, fd: int, length: int) -> None:
        raise OSError("no")

    sender = PackSender(put)
    sender.send(pack(0))
    with pytest.raises(OSError, match="no"):
        sender.finish()
    assert sender.stored == []
