"""Merged index objects: heads and sealed tails of many packs in one warm object, so that a rebuild reads few of them.

    object `index/<64 hex>`, named by the BLAKE3 of its bytes:
    magic "PHNXMIDX" (8), version 1 (2), zero (2), number of entries (4), entries as a MessagePack array, BLAKE3 of all
    bytes before it (32)
    entry = [kind, pack id, length of the pack, head (1,288 bytes), sealed tail without footer]

Integers are little-endian. An entry whose pack is no longer listed in the store is void. What isn't merged yet is kept
in the table `unmerged` of the index's environment: pack id → entry.
"""

import struct
import threading
from collections.abc import Callable, Iterator

import msgspec
from blake3 import blake3

from phoenix_core.storage.errors import ObjectMissing
from phoenix_core.storage.objectstore import ObjectStore
from phoenix_core.vault.environment import Environment, Txn
from phoenix_core.vault.errors import PackDamaged, UnknownVersion
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.layout import INDEX, index_name
from phoenix_core.vault.malformed import MALFORMED

MAGIC = b"PHNXMIDX"
VERSION = 1
_HEADER = struct.Struct("<8sHHI")
_HASH_BYTES = 32
MERGE_PACKS = 256
MERGE_BYTES = 8 << 20
"""Of waiting heads and tails: packs of small files have tails of a megabyte."""
IDLE_PACKS = 16


class MergedEntry(msgspec.Struct, frozen=True, array_like=True):
    kind: PackKind
    pack_id: bytes
    length: int
    head: bytes
    sealed_tail: bytes


_encode = msgspec.msgpack.Encoder().encode
_entry_of = msgspec.msgpack.Decoder(MergedEntry).decode
_entries_of = msgspec.msgpack.Decoder(list[MergedEntry]).decode


def encode(entries: list[MergedEntry]) -> bytes:
    body = _HEADER.pack(MAGIC, VERSION, 0, len(entries)) + _encode(entries)
    return body + blake3(body).digest()


def decode(data: bytes) -> list[MergedEntry]:
    """Raises PackDamaged, UnknownVersion."""
    body, found = data[:-_HASH_BYTES], data[-_HASH_BYTES:]
    if len(body) < _HEADER.size or blake3(body).digest() != found:
        raise PackDamaged(detail="a merged index object isn't what was written")
    magic, version, _, count = _HEADER.unpack_from(body)
    if magic != MAGIC:
        raise PackDamaged(detail="a merged index object does not start as one does")
    if version != VERSION:
        raise UnknownVersion(what="merged index object", version=version)
    try:
        entries = _entries_of(body[_HEADER.size :])
    except MALFORMED as error:
        raise PackDamaged(detail="a merged index object is malformed") from error
    if len(entries) != count:
        raise PackDamaged(detail="a merged index object isn't complete")
    return entries


class MergedIndex:
    def __init__(self, store: ObjectStore, environment: Environment) -> None:
        self._store = store
        self._environment = environment
        self._unmerged = environment.table("unmerged")
        self._writing = threading.Lock()

    def note(self, txn: Txn, entry: MergedEntry) -> None:
        """Part of the transaction that enters the pack in the index."""
        txn.put(entry.pack_id, _encode(entry), db=self._unmerged)

    def forget(self, txn: Txn, pack_id: bytes) -> None:
        txn.delete(pack_id, db=self._unmerged)

    def unmerged(self) -> int:
        with self._environment.reading() as txn:
            return int(txn.stat(self._unmerged)["entries"])

    def write_due(self, at_least: int = MERGE_PACKS) -> bool:
        """Write one merged object where that many packs or MERGE_BYTES wait for it. A crash in between repeats the
        entries."""
        if not self._is_due(at_least) or not self._writing.acquire(blocking=False):
            return False

        def forget_all(txn: Txn) -> None:
            for entry in entries:
                self.forget(txn, entry.pack_id)

        try:
            entries = self._waiting()
            if not entries:
                return False
            self._put(entries)
            self._environment.write(forget_all)
            return True
        finally:
            self._writing.release()

    def _is_due(self, at_least: int) -> bool:
        with self._environment.reading() as txn:
            waiting = txn.stat(self._unmerged)
        return bool(waiting["entries"] >= at_least or waiting["overflow_pages"] * waiting["psize"] >= MERGE_BYTES)

    def objects(self) -> Iterator[tuple[str, list[MergedEntry] | None]]:
        """Every merged object's name and entries; None for one that can't be read. One at a time is in memory."""
        return ((name, entries) for name, entries, _ in self.looked_at())

    def looked_at(self) -> Iterator[tuple[str, list[MergedEntry] | None, bool]]:
        """As `objects`, and whether each is what its name says."""
        for info in list(self._store.list(INDEX)):
            try:
                data = self._store.get(info.name)
            except ObjectMissing:
                continue  # compacted since it was listed
            try:
                entries = decode(data)
            except (PackDamaged, UnknownVersion):
                yield info.name, None, False
            else:
                yield info.name, entries, info.name == index_name(blake3(data).hexdigest())

    def compact(self, is_stored: Callable[[bytes], bool]) -> int:
        """Rewrite objects of which more than half is void, and drop unreadable ones' names. Returns how many."""
        rewritten = 0
        for name, entries in self.objects():
            if entries is None:
                continue
            live = [entry for entry in entries if is_stored(entry.pack_id)]
            if len(live) * 2 >= len(entries):
                continue
            if live:
                self._put(live)
            self._store.delete(name)
            rewritten += 1
        return rewritten

    def _put(self, entries: list[MergedEntry]) -> None:
        data = encode(entries)
        name = index_name(blake3(data).hexdigest())
        if not self._store.put(name, data, if_absent=True) and self._store.get(name) != data:
            self._store.put(name, data)  # what was there had rotted

    def waiting_ids(self) -> list[bytes]:
        """The packs that aren't merged yet."""
        with self._environment.reading() as txn, txn.cursor(self._unmerged) as cursor:
            return [bytes(pack_id) for pack_id in cursor.iternext(keys=True, values=False)]

    def waiting(self) -> list[MergedEntry]:
        """What isn't merged yet."""
        with self._environment.reading() as txn, txn.cursor(self._unmerged) as cursor:
            return [_entry_of(value) for _, value in cursor]

    def _waiting(self) -> list[MergedEntry]:
        """What the next object takes."""
        entries: list[MergedEntry] = []
        size = 0
        with self._environment.reading() as txn, txn.cursor(self._unmerged) as cursor:
            for _, value in cursor:
                entries.append(_entry_of(value))
                size += len(value)
                if size >= MERGE_BYTES:
                    break
        return entries
