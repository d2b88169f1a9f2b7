"""When each usable pack was last read and checked, sorted by that time: the earliest is found at once, of a million.

    reads     time of the last reading in ns (u64), pack number (u32) → nothing

Packs that were not read yet aren't in it; `Totals` counts them. Used by the index only.
"""

import struct

from phoenix_core.vault.environment import Environment, Txn
from phoenix_core.vault.packinfo import PackInfo, PackState

_TIME = struct.Struct(">Q")


class ReadTable:
    def __init__(self, environment: Environment) -> None:
        self._reads = environment.table("reads")

    def change(self, txn: Txn, number: bytes, old: PackInfo | None, new: PackInfo | None) -> None:
        """Part of each transaction in which a pack comes, goes or changes."""
        before, after = _key(number, old), _key(number, new)
        if before == after:
            return
        if before:
            txn.delete(before, db=self._reads)
        if after:
            txn.put(after, b"", db=self._reads)

    def span(self, txn: Txn) -> tuple[int, int]:
        """The earliest and the latest time; 0 and 0 where no pack was read yet."""
        with txn.cursor(self._reads) as cursor:
            if not cursor.first():
                return 0, 0
            first = _time_of(cursor.key())
            cursor.last()
            return first, _time_of(cursor.key())

    def clear(self, txn: Txn) -> None:
        txn.drop(self._reads, delete=False)


def _key(number: bytes, info: PackInfo | None) -> bytes:
    if info is None or info.state is not PackState.USABLE or info.read_at_ns <= 0:
        return b""
    return _TIME.pack(info.read_at_ns) + number


def _time_of(key: bytes) -> int:
    return int(_TIME.unpack_from(key)[0])
