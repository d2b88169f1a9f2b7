"""What a storage node keeps in one LMDB environment: index, leases, sweeps, heads and tails not merged yet."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from phoenix_core.domain.clock import Clock
from phoenix_core.domain.ids import PackId
from phoenix_core.storage.intake import CheckedPack
from phoenix_core.storage.leases import Leases
from phoenix_core.storage.merged import MergedEntry, MergedIndex
from phoenix_core.storage.objectstore import ObjectStore
from phoenix_core.storage.sweeps import Sweeps
from phoenix_core.vault.environment import Environment, Txn
from phoenix_core.vault.index import VaultIndex
from phoenix_core.vault.index_errors import IndexMissing
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.packtail import PackTail


class Parts:
    """Opening them is a restart of the node: leases are renewed, open sweeps are void."""

    def __init__(self, environment: Environment, store: ObjectStore, vault_id: str, clock: Clock, ttl_s: float) -> None:
        self.environment = environment
        self.index = VaultIndex(environment)
        self.index.begin(vault_id)
        self.merged = MergedIndex(store, environment)
        self.leases = Leases(environment, clock, ttl_s)
        self.sweeps = Sweeps(self.index, self.leases)
        self.doomed = environment.table("doomed")
        self._clock = clock

    def add(
        self, packs: Sequence[CheckedPack], *, merged: bool = False, beside: Callable[[Txn], None] | None = None
    ) -> None:
        """Enter packs that are durable in the store; one that was condemned, damaged or lost is usable again. `beside`
        takes part in the transaction that makes a pack count."""
        entries = {pack.pack_id: pack for pack in packs}

        def came(txn: Txn, info: PackInfo) -> None:
            pack = entries[PackId(info.pack_id)]
            if not merged:
                entry = MergedEntry(pack.head.kind, pack.pack_id, pack.length, pack.head_bytes, pack.sealed_tail)
                self.merged.note(txn, entry)
            if beside is not None:
                beside(txn)

        def again(txn: Txn) -> None:
            for pack in known:
                self.index.change(txn, pack.pack_id, state=PackState.USABLE, proved=False, read_at_ns=0)
            if beside is not None:
                beside(txn)

        added = self.index.add([(self._info(pack), pack.tail.blocks) for pack in packs], came)
        known = [pack for pack, is_new in zip(packs, added, strict=True) if not is_new]
        if known:
            self.environment.write(again)

    def _info(self, pack: CheckedPack) -> PackInfo:
        return PackInfo(
            pack_id=pack.pack_id,
            bytes=pack.length,
            server_id=pack.head.server_id,
            domain=pack.head.domain,
            epoch=pack.head.epoch,
            kind=pack.head.kind,
            chunks=pack.tail.chunk_count,
            state=PackState.USABLE,
            proved=False,
            stored_at_ns=self.now_ns(),
        )

    def now_ns(self) -> int:
        return int(self._clock.now().timestamp() * 1e9)

    def change(self, pack_id: PackId, **changes: object) -> None:
        """Set `state`, `proved` or `read_at_ns` of a pack; does nothing where the index doesn't know it."""
        self.environment.write(lambda txn: self.index.change(txn, pack_id, **changes))

    def forget(self, pack_id: PackId, tail: PackTail | None = None) -> None:
        """Take out a pack that is gone from the store; without its tail all chunks are looked through for it."""

        self.index.remove(
            pack_id, tail.blocks if tail else None, lambda txn, info: self.merged.forget(txn, info.pack_id)
        )

    def close(self) -> None:
        self.environment.close()


CURRENT = "current"
BUILDING = "building"
REPLACED = "replaced"


def current_folder(index_dir: Path) -> Path:
    return index_dir / CURRENT


def discard_index(index_dir: Path) -> None:
    shutil.rmtree(current_folder(index_dir))


def indexed_vault(index_dir: Path) -> str | None:
    """The vault that the index is of; None where there is no index. Not while a node has it open. Raises
    IndexDamaged."""
    try:
        environment = Environment(current_folder(index_dir))
    except IndexMissing:
        return None
    try:
        about = environment.table("about")
        with environment.reading() as txn:
            found = txn.get(b"vault", db=about)
    finally:
        environment.close()
    return None if found is None else bytes(found).decode("ascii", "replace")
