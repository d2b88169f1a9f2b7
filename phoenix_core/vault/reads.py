"""When each usable pack was last read and checked, sorted by that time: the earliest is found at once, of a million.

    reads     time of the last reading in ns (u64), pack number (u32) → nothing
    unread    of packs that weren't read yet: time when they were stored in ns (u64), pack number (u32) → nothing

Used by the index only.
"""

import struct

from phoenix_core.vault.environment import Database, Environment, Txn
from phoenix_core.vault.packinfo import PackInfo, PackState

_TIME = struct.Struct(">Q")


class ReadTable:
    def __init__(self, environment: Environment) -> None:
        self._reads = environment.table("reads")
        self._unread = environment.table("unread")

    def change(self, txn: Txn, number: bytes, old: PackInfo | None, new: PackInfo | None) -> None:
        """Part of each transaction in which a pack comes, goes or changes."""
        before, after = self._place(number, old), self._place(number, new)
        if before == after:
            return
        if before:
            table, key = before
            txn.delete(key, db=table)
        if after:
            table, key = after
            txn.put(key, b"", db=table)

    def span(self, txn: Txn) -> tuple[int, int]:
        """The earliest and the latest time; 0 and 0 where no pack was read yet."""
        with txn.cursor(self._reads) as cursor:
            if not cursor.first():
                return 0, 0
            first = _time_of(cursor.key())
            cursor.last()
            return first, _time_of(cursor.key())

    def unread_since(self, txn: Txn) -> int:
        """When the earliest was stored of the packs that weren't read yet; 0: there are none."""
        with txn.cursor(self._unread) as cursor:
            return _time_of(cursor.key()) if cursor.first() else 0

    def clear(self, txn: Txn) -> None:
        for table in (self._reads, self._unread):
            txn.drop(table, delete=False)

    def _place(self, number: bytes, info: PackInfo | None) -> tuple[Database, bytes] | None:
        if info is None or info.state is not PackState.USABLE:
            return None
        if info.read_at_ns > 0:
            return self._reads, _TIME.pack(info.read_at_ns) + number
        return self._unread, _TIME.pack(max(0, info.stored_at_ns)) + number


def _time_of(key: bytes) -> int:
    return int(_TIME.unpack_from(key)[0])
