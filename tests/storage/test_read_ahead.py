"""A pack of a storage node elsewhere is read in few requests where it is read in order, and holds little otherwise."""

import dataclasses
import os
from concurrent.futures import Future

import pytest

from phoenix_core.domain.ids import PackId
from phoenix_core.storage.client import MOST_AHEAD_BYTES, RemotePack, _Caller
from phoenix_core.storage.errors import StorageUnreachable

MIB = 1 << 20
CONTENT = os.urandom(32 * MIB)


class CountingCaller(_Caller):
    """The node's side without a network."""

    def __init__(self) -> None:
        super().__init__(None, str, "job")  # type: ignore[arg-type]
        self.lengths: list[int] = []

    def get(self, pack_id: PackId, offset: int, length: int) -> bytes:
        self.lengths.append(length)
        return CONTENT[offset : offset + length]


def pack(caller: CountingCaller, number: int = 0) -> RemotePack:
    return RemotePack(caller, PackId(bytes([number]) * 32))


def read_in_order(opened: RemotePack, blocks: int) -> None:
    for block in range(blocks):
        assert opened.pread(MIB, block * MIB) == CONTENT[block * MIB : (block + 1) * MIB]


def test_a_pack_read_in_order_takes_few_requests() -> None:
    caller = CountingCaller()
    read_in_order(pack(caller), 32)
    assert len(caller.lengths) <= 8
    assert max(caller.lengths) <= MOST_AHEAD_BYTES + MIB


def test_after_a_pack_that_was_read_to_its_end_the_next_takes_fewer() -> None:
    caller = CountingCaller()
    read_in_order(pack(caller), 32)
    first = len(caller.lengths)
    read_in_order(pack(caller, 1), 32)
    assert len(caller.lengths) - first < first


def test_after_a_pack_of_which_little_was_read_the_next_is_read_without_more() -> None:
    caller = CountingCaller()
    read_in_order(pack(caller), 4)
    caller.lengths.clear()
    assert pack(caller, 1).pread(MIB, 0) == CONTENT[:MIB]
    assert caller.lengths == [MIB]


def test_blocks_here_and_there_are_read_without_more() -> None:
    caller = CountingCaller()
    opened = pack(caller)
    for block in (3, 17, 9, 30, 0):
        assert opened.pread(MIB, block * MIB) == CONTENT[block * MIB : (block + 1) * MIB]
    assert caller.lengths == [MIB] * 5


def test_of_many_packs_read_in_turn_only_the_last_hold_what_was_read_ahead() -> None:
    caller = CountingCaller()
    packs = [pack(caller, number) for number in range(8)]
    for opened in packs:
        read_in_order(opened, 4)
    assert sum(len(opened._held) for opened in packs) <= 2 * (MOST_AHEAD_BYTES + MIB)
    for opened in packs:
        assert opened.pread(MIB, 4 * MIB) == CONTENT[4 * MIB : 5 * MIB]


def test_the_next_range_comes_while_this_one_is_worked_on() -> None:
    caller = CountingCaller()
    opened = pack(caller)
    read_in_order(opened, 2)
    assert opened._coming is not None
    assert opened._coming.data.result() == CONTENT[opened._coming.start :][: opened._coming.length]
    caller.close()


def test_a_range_that_failed_on_its_way_is_told_and_asked_for_again() -> None:
    caller = CountingCaller()
    opened = pack(caller)
    read_in_order(opened, 2)
    coming = opened._coming
    assert coming is not None
    failed: Future[bytes] = Future()
    failed.set_exception(StorageUnreachable(place="node", detail="away"))
    opened._coming = dataclasses.replace(coming, data=failed)
    with pytest.raises(StorageUnreachable):
        opened.pread(MIB, coming.start)
    assert opened.pread(MIB, coming.start) == CONTENT[coming.start : coming.start + MIB]
