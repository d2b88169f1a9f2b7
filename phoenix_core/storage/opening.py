"""Opens a node's index and makes it agree with what the store holds; or notes why it can't be used."""

from collections.abc import Mapping

from phoenix_core.domain.clock import Clock
from phoenix_core.domain.ids import PackId
from phoenix_core.storage.errors import VaultGone
from phoenix_core.storage.nodelock import NodeLock
from phoenix_core.storage.nodestate import NodeState
from phoenix_core.storage.parts import Parts, current_folder, discard_index
from phoenix_core.storage.rebuild import StoredPack, read_stored, stored_packs
from phoenix_core.vault.environment import Environment
from phoenix_core.vault.index_errors import IndexDamaged, IndexMissing
from phoenix_core.vault.layout import DESCRIPTOR
from phoenix_core.vault.packinfo import PackState

ADOPT_PACKS = 256
"""A node that starts takes in so many packs that its index doesn't know, left by a crash; more need a rebuild."""


class IndexOpening:
    """For one node, which holds the lock."""

    def __init__(
        self,
        state: NodeState,
        index_keys: Mapping[tuple[str, int], bytes],
        lock: NodeLock,
        clock: Clock,
        ttl_s: float,
    ) -> None:
        self._state = state
        self._index_keys = index_keys
        self._lock = lock
        self._clock = clock
        self._ttl_s = ttl_s

    def open(self) -> None:
        """Open the index, or note why it can't be used."""
        state = self._state
        stored = dict(stored_packs(state.store))
        try:
            parts = self._complete(stored)
        except (IndexMissing, IndexDamaged) as error:
            if stored or state.store.head(DESCRIPTOR) is None or state.shelf.count_records():
                state.problem = error
                return
            discard_index(state.index_dir)  # cut off in its first moments: nothing was in it yet
            parts = self._complete(stored)
        packs = parts.index.totals().packs
        if packs and not stored and state.store.head(DESCRIPTOR) is None:
            parts.close()
            state.problem = VaultGone(place=state.store.place, packs=packs, vault=state.vault_id)
            return
        unknown = [pack_id for pack_id in stored if parts.index.pack(pack_id) is None]
        if len(unknown) > ADOPT_PACKS:
            parts.close()
            state.problem = IndexMissing(folder=state.index_dir)
            return
        state.parts = parts
        for pack_id in unknown:
            pack = read_stored(state.store, pack_id, stored[pack_id].kind, state.vault_id, self._index_keys)
            if pack is not None:
                parts.add([pack])
        state.shelf.delete_doomed(parts)
        for info in list(parts.index.packs()):
            pack_id = PackId(info.pack_id)
            there = pack_id in stored
            if not there and pack_id in parts.sweeps.voided:
                parts.forget(pack_id)  # the node died between its object's deletion and this
            elif there == (info.state is PackState.LOST):
                now = PackState.USABLE if there else PackState.LOST
                parts.change(pack_id, state=now, proved=False, read_at_ns=0)

    def _complete(self, stored: Mapping[PackId, StoredPack]) -> Parts:
        parts = self.parts(create=not stored and not current_folder(self._state.index_dir).exists())
        if not stored and not parts.index.totals().packs:
            parts.index.mark_complete()
        if not parts.index.is_complete():
            parts.close()
            raise IndexMissing(folder=self._state.index_dir)
        return parts

    def parts(self, *, create: bool) -> Parts:
        state = self._state
        environment = Environment(current_folder(state.index_dir), create=create, check=self._lock.check_due())
        return Parts(environment, state.store, state.vault_id, self._clock, self._ttl_s)
