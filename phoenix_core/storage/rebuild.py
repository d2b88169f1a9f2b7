"""Makes the index anew: merged index objects first, then the packs that they don't cover; and adopts single packs.

What can't be derived from the vault (leases, grants, proofs, states) is carried over from the old index where there is
one that can be read.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from phoenix_core.domain.clock import Clock
from phoenix_core.domain.ids import PackId
from phoenix_core.host.atomicfile import sync_folder
from phoenix_core.storage.errors import ObjectMissing, PackRefused
from phoenix_core.storage.intake import CheckedPack, IndexKeys, open_pack_parts, read_pack
from phoenix_core.storage.objectstore import ObjectStore
from phoenix_core.storage.parts import BUILDING, REPLACED, Parts, current_folder
from phoenix_core.vault.environment import Database, Environment, Txn
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.layout import PACKS, pack_name, parse_pack_name
from phoenix_core.vault.packinfo import PackInfo, PackState

_BATCH_CHUNKS = 65536
_CARRIED = (("leases", False), ("told", True), ("granted", True), ("doomed", False))


class StoredPack(msgspec.Struct, frozen=True):
    kind: PackKind
    length: int


def stored_packs(store: ObjectStore) -> Iterator[tuple[PackId, StoredPack]]:
    for info in store.list(PACKS):
        parsed = parse_pack_name(info.name)
        if parsed is not None:
            yield parsed[1], StoredPack(parsed[0], info.bytes)


class Rebuild:
    """One making of a new index beside the old one."""

    def __init__(self, store: ObjectStore, index_dir: Path, vault_id: str, index_keys: IndexKeys, clock: Clock) -> None:
        self._store = store
        self._index_dir = index_dir
        self._vault_id = vault_id
        self._index_keys = index_keys
        self._folder = index_dir / BUILDING
        shutil.rmtree(self._folder, ignore_errors=True)
        self.drop_replaced()
        self.parts = Parts(Environment(self._folder, create=True), store, vault_id, clock, 0.0)
        self.unreadable: dict[PackId, StoredPack] = {}
        self.lost: set[PackId] = set()
        """Packs that the old index knew, and that are gone."""

    def fill(self) -> None:
        """Enter everything that the store holds now. May be called again, to catch up."""
        stored = dict(stored_packs(self._store))
        missing = {pack_id: stored[pack_id] for pack_id in stored if self.parts.index.pack(pack_id) is None}
        if missing:
            self._enter(self._from_merged(missing), merged=True)
            self._enter(self._from_packs(missing), merged=False)
        for info in list(self.parts.index.packs()):
            if PackId(info.pack_id) not in stored:
                self.parts.index.remove(info.pack_id, None)

    def carry_over(self, old: Parts) -> None:
        """Leases, grants, proofs, times of reading and states, from an index that is still readable."""
        for name, duplicates in _CARRIED:
            source = old.environment.table(name, duplicates=duplicates, fixed=duplicates)
            target = self.parts.environment.table(name, duplicates=duplicates, fixed=duplicates)
            with old.environment.reading() as txn, txn.cursor(source) as cursor:
                rows = [(bytes(key), bytes(value)) for key, value in cursor]
            self.parts.environment.write(partial(_put_rows, target, rows))
        after = b""
        while page := old.index.packs_page(after):
            after = page[-1][0]
            self.parts.environment.write(partial(self._carry_states, [info for _, info in page]))
        self._carry_unreadable(old)

    def _carry_unreadable(self, old: Parts) -> None:
        """Packs that are gone, or whose tail can't be read, stay known as such, with what is in them."""
        known = [info for info in old.index.packs() if self.parts.index.pack(PackId(info.pack_id)) is None]
        if not known:
            return
        blocks = old.index.blocks_in(info.pack_id for info in known)
        for info in known:
            there = PackId(info.pack_id) in self.unreadable
            if not there:
                self.lost.add(PackId(info.pack_id))
            state = PackState.DAMAGED if there else PackState.LOST
            changed = msgspec.structs.replace(info, state=state, proved=False, read_at_ns=0)
            self.parts.index.add([(changed, blocks[info.pack_id])])

    def note_unreadable(self) -> None:
        """Enter packs that can't be read and that no older index knew either: what is in them isn't known."""
        for pack_id, stored in self.unreadable.items():
            info = PackInfo(pack_id, stored.length, "", "", 0, stored.kind, 0, PackState.DAMAGED, False, 0)
            self.parts.index.add([(info, ())])

    def _carry_states(self, infos: list[PackInfo], txn: Txn) -> None:
        for info in infos:
            state = PackState.USABLE if info.state is PackState.LOST else info.state
            if state is not PackState.USABLE or info.proved:
                self.parts.index.change(txn, info.pack_id, state=state, proved=info.proved, read_at_ns=info.read_at_ns)

    def complete(self) -> None:
        """The last of what needs space; `take_place` only gives names."""
        self.parts.index.mark_complete()
        self.parts.close()

    def take_place(self, open_index: Callable[[], Parts]) -> Parts:
        """Put the new index in the old one's place, and open it there. Where that fails the old one is back there. It
        may stay open all the while; the caller closes it, then drops what is left of it."""
        current, replaced = current_folder(self._index_dir), self._index_dir / REPLACED
        if had_one := current.exists():
            current.rename(replaced)
        try:
            self._folder.rename(current)
            sync_folder(self._index_dir)
            return open_index()
        except BaseException:
            if current.exists():
                current.rename(self._folder)
            if had_one:
                replaced.rename(current)
            raise

    def drop_replaced(self) -> None:
        shutil.rmtree(self._index_dir / REPLACED, ignore_errors=True)

    def discard(self) -> None:
        self.parts.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _from_merged(self, missing: dict[PackId, StoredPack]) -> Iterator[CheckedPack]:
        """Takes what it finds out of `missing`. A merged object that can't be read is dropped: its packs can."""
        for name, entries in self.parts.merged.objects():
            if entries is None:
                self._store.delete(name)
                continue
            for entry in entries:
                pack_id = PackId(entry.pack_id)
                stored = missing.get(pack_id)
                if stored is None or stored.length != entry.length:
                    continue
                try:
                    pack = open_pack_parts(
                        pack_id, entry.length, entry.head, entry.sealed_tail, self._vault_id, self._index_keys
                    )
                except PackRefused:
                    continue
                del missing[pack_id]
                yield pack

    def _from_packs(self, missing: Mapping[PackId, StoredPack]) -> Iterator[CheckedPack]:
        for pack_id, stored in missing.items():
            pack = read_stored(self._store, pack_id, stored.kind, self._vault_id, self._index_keys)
            if pack is None:
                self.unreadable[pack_id] = stored
            else:
                yield pack

    def _enter(self, packs: Iterator[CheckedPack], *, merged: bool) -> None:
        batch: list[CheckedPack] = []
        chunks = 0
        for pack in packs:
            batch.append(pack)
            chunks += pack.tail.chunk_count
            if chunks >= _BATCH_CHUNKS:
                self.parts.add(batch, merged=merged)
                batch, chunks = [], 0
        self.parts.add(batch, merged=merged)


def _put_rows(table: Database, rows: list[tuple[bytes, bytes]], txn: Txn) -> None:
    for key, value in rows:
        txn.put(key, value, db=table)


def read_stored(
    store: ObjectStore, pack_id: PackId, kind: PackKind, vault_id: str, index_keys: IndexKeys
) -> CheckedPack | None:
    """Head and tail of a pack in the store; None where they can't be read."""
    try:
        with store.open_read(pack_name(kind, pack_id)) as opened:
            pack = read_pack(pack_id, opened, vault_id, index_keys)
    except (PackRefused, ObjectMissing):
        return None
    return pack if pack.head.kind is kind else None
