"""A pack of a storage node elsewhere is read in few requests where it is read in order, and holds little otherwise."""

import os

from phoenix_core.domain.ids import PackId
from phoenix_core.storage.client import MOST_AHEAD_BYTES, RemotePack, _Caller

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
