"""Prune's two phases, and the parents that must outlive their leases.

    sweeps    number (u32, big-endian) → SweepRow, MessagePack; `next` → the next number
    doomed    snapshot id → empty: to be deleted once no live lease has it as parent

Phase one, `condemn`, takes packs out of what counts as present. Phase two, `sweep`, deletes them, once every lease that
was open at phase one has ended: such a job may have been told, before, that their chunks exist.
"""

import struct
from collections.abc import Sequence

import msgspec

from phoenix_core.domain.ids import PackId
from phoenix_core.storage.errors import SweepVoid
from phoenix_core.storage.leases import Leases
from phoenix_core.vault.environment import Txn
from phoenix_core.vault.index import VaultIndex
from phoenix_core.vault.packinfo import PackState

_NUMBER = struct.Struct(">I")
_NEXT = b"next"


class SweepRow(msgspec.Struct, frozen=True, array_like=True):
    packs: list[tuple[bytes, PackState]]
    """With the state that each had before."""
    leases: list[str]
    """Those that were live at phase one."""


_encode = msgspec.msgpack.Encoder().encode
_row_of = msgspec.msgpack.Decoder(SweepRow).decode


class Sweeps:
    def __init__(self, index: VaultIndex, leases: Leases) -> None:
        self._index = index
        self._leases = leases
        self._table = index.environment.table("sweeps")
        self.voided = self.void_all()
        """What open sweeps had condemned before the restart."""

    def condemn(self, pack_ids: Sequence[PackId]) -> int:
        def work(txn: Txn) -> int:
            self._leases.lapse_overdue(txn)
            protected = self._leases.protected(txn)
            chosen: list[tuple[bytes, PackState]] = []
            for pack_id in dict.fromkeys(pack_ids):
                info = self._index.pack_in(txn, pack_id)
                if info is None or pack_id in protected or info.state is PackState.CONDEMNED:
                    continue
                self._index.change(txn, pack_id, state=PackState.CONDEMNED)
                chosen.append((bytes(pack_id), info.state))
            number = _NUMBER.unpack(txn.get(_NEXT, db=self._table) or _NUMBER.pack(1))[0]
            txn.put(_NEXT, _NUMBER.pack(number + 1), db=self._table)
            row = SweepRow(packs=chosen, leases=sorted(self._leases.live(txn)))
            txn.put(_NUMBER.pack(number), _encode(row), db=self._table)
            return int(number)

        return self._index.environment.write(work)

    def waiting_for(self, number: int) -> tuple[str, ...]:
        """Jobs whose leases were open before the sweep and still live. Raises SweepVoid."""

        def work(txn: Txn) -> tuple[str, ...]:
            self._leases.lapse_overdue(txn)
            live = self._leases.live(txn)
            return tuple(sorted({live[lease].job for lease in self._row(txn, number).leases if lease in live}))

        return self._index.environment.write(work)

    def condemned(self, number: int) -> list[PackId]:
        """The packs of a sweep that are still condemned. Raises SweepVoid."""
        with self._index.environment.reading() as txn:
            infos = [self._index.pack_in(txn, pack_id) for pack_id, _ in self._row(txn, number).packs]
        return [PackId(info.pack_id) for info in infos if info is not None and info.state is PackState.CONDEMNED]

    def all_condemned(self) -> list[PackId]:
        """The packs of all open sweeps that are still condemned."""
        with self._index.environment.reading() as txn:
            with txn.cursor(self._table) as cursor:
                rows = [_row_of(row) for key, row in cursor if bytes(key) != _NEXT]
            infos = [self._index.pack_in(txn, pack_id) for row in rows for pack_id, _ in row.packs]
        return [PackId(info.pack_id) for info in infos if info is not None and info.state is PackState.CONDEMNED]

    def finish(self, number: int) -> None:
        self._index.environment.write(lambda txn: txn.delete(_NUMBER.pack(number), db=self._table))

    def _row(self, txn: Txn, number: int) -> SweepRow:
        found = txn.get(_NUMBER.pack(number), db=self._table) if 0 < number < 1 << 32 else None
        if found is None:
            raise SweepVoid(sweep=number, reason="it is finished, or the storage node was restarted since")
        return _row_of(found)

    def void_all(self) -> frozenset[PackId]:
        """What is condemned gets back the state it had: a restarted node doesn't know what happened meanwhile, and a
        prune may give up. Returns it."""

        def work(txn: Txn) -> frozenset[PackId]:
            voided: set[PackId] = set()
            with txn.cursor(self._table) as cursor:
                rows = [(bytes(key), _row_of(row)) for key, row in cursor if bytes(key) != _NEXT]
            for key, row in rows:
                for pack_id, state in row.packs:
                    info = self._index.pack_in(txn, pack_id)
                    if info is not None and info.state is PackState.CONDEMNED:
                        self._index.change(txn, pack_id, state=state)
                        voided.add(PackId(pack_id))
                txn.delete(key, db=self._table)
            return frozenset(voided)

        return self._index.environment.write(work)
