"""What the two sides of a storage node share: store, owner, and the parts of the index while it is there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phoenix_core.domain.amounts import size
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import PackId
from phoenix_core.storage.errors import ObjectMissing, StorageFull
from phoenix_core.storage.objectstore import ObjectStore
from phoenix_core.storage.owner import Ownership
from phoenix_core.storage.parts import Parts
from phoenix_core.storage.snapshots import SnapshotShelf
from phoenix_core.vault.environment import Gate
from phoenix_core.vault.index_errors import IndexMissing
from phoenix_core.vault.layout import PACKS
from phoenix_core.vault.packinfo import PackInfo

RESERVE_MAX_BYTES = 512 << 20
RESERVE_PART = 100
"""One hundredth of the file system, at most RESERVE_MAX_BYTES, stays free for records, the index and prune."""


class NodeState:
    def __init__(self, store: ObjectStore, vault_id: str, index_dir: Path, owner: Ownership) -> None:
        self.store = store
        self.vault_id = vault_id
        self.index_dir = index_dir
        self.owner = owner
        self.shelf = SnapshotShelf(store)
        self.deciding = threading.RLock()
        """Held while a commit, a deletion or a sweep is decided and done: none of them may see another half-way."""
        self.gate = Gate()
        self.parts: Parts | None = None
        self.problem: PhoenixError | None = None
        """Why there are no parts."""

    @contextmanager
    def using(self) -> Iterator[Parts]:
        """The parts, which a rebuild won't swap meanwhile. Must not be nested. Raises IndexMissing, IndexDamaged."""
        with self.gate.shared():
            if self.parts is None:
                raise self.problem or IndexMissing(folder=self.index_dir)
            yield self.parts

    def check_space(self, length: int) -> None:
        """Whether `length` bytes more leave the reserve untouched. Raises StorageFull."""
        space = self.store.space()
        reserve = min(RESERVE_MAX_BYTES, space.total_bytes // RESERVE_PART)
        if space.free_bytes - length < reserve:
            detail = f"{size(space.free_bytes)} free, and {size(reserve)} of it stay so; {size(length)} more don't fit"
            raise StorageFull(place=self.store.place, detail=detail)

    def known(self, parts: Parts, pack_id: bytes) -> PackInfo:
        """Raises ObjectMissing where the index doesn't know the pack."""
        info = parts.index.pack(PackId(pack_id))
        if info is None:
            raise ObjectMissing(place=self.store.place, name=f"{PACKS}…/{pack_id.hex()}")
        return info
