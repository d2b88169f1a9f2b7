"""The objects that a node keeps for itself: whether they are sound, and merged index objects written anew.

Also what index and merged objects know of a pack whose own head or tail can't be read any more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

from phoenix_core.domain.ids import PackId
from phoenix_core.storage.errors import ObjectMissing, PackRefused
from phoenix_core.storage.intake import IndexKeys, open_pack_parts
from phoenix_core.storage.merged import MergedEntry
from phoenix_core.storage.nodestate import NodeState
from phoenix_core.storage.parts import Parts
from phoenix_core.storage.rebuild import read_stored
from phoenix_core.vault.environment import Txn
from phoenix_core.vault.index import Blocks
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.layout import DESCRIPTOR
from phoenix_core.vault.packcontents import PackContents, Upkeep
from phoenix_core.vault.packinfo import PackInfo, PackState


class Caretaker:
    def __init__(self, state: NodeState, index_keys: IndexKeys) -> None:
        self._state = state
        self._index_keys = index_keys
        self._had_descriptor = state.store.head(DESCRIPTOR) is not None

    def look(self, parts: Parts) -> Upkeep:
        """What is wrong now; changes nothing."""
        damaged, uncovered = self._survey(parts)
        if damaged or uncovered:
            with self._state.deciding:  # a prune's sweep rewrites index objects: what it moved is no damage
                damaged, uncovered = self._survey(parts)
        descriptor = self._descriptor()
        return Upkeep(
            descriptor=descriptor,
            descriptor_gone=self._had_descriptor and not descriptor,
            owner_problem=self._state.owner.problem(),
            damaged_index=tuple(damaged),
            uncovered_packs=len(uncovered),
        )

    def mend(self, parts: Parts) -> None:
        """Write heads and tails anew that no sound index object has, then drop the damaged objects. Cut off at any
        point it has lost nothing: what isn't merged waits in the index, and the packs have it."""
        with self._state.deciding:
            self._state.owner.check()
            damaged, uncovered = self._survey(parts)
            for info in uncovered:
                self._note(parts, info)
            for _, entries, is_right in parts.merged.looked_at():
                if entries and not is_right:
                    parts.environment.write(partial(_note_all, parts, entries))
            while parts.merged.write_due(at_least=1):
                pass
            still = {name for name, _, is_right in parts.merged.looked_at() if not is_right}
            for name in still.intersection(damaged):
                self._state.store.delete(name)

    def contents_of(self, parts: Parts, pack_ids: Sequence[PackId]) -> list[PackContents | None]:
        """Of each pack what is known of it; None where the index doesn't know the pack."""
        infos = {pack_id: parts.index.pack(pack_id) for pack_id in pack_ids}
        kept = self._kept(parts, {pack_id for pack_id, info in infos.items() if info is not None})
        blocks: Mapping[bytes, Blocks] = {}
        unkept = [pack_id for pack_id, info in infos.items() if info is not None and pack_id not in kept]
        if unkept:
            blocks = parts.index.blocks_in(unkept)
        return [
            None if infos[pack_id] is None else kept.get(pack_id) or PackContents(b"", tuple(blocks[pack_id]))
            for pack_id in pack_ids
        ]

    def _kept(self, parts: Parts, wanted: Collection[bytes]) -> dict[bytes, PackContents]:
        found: dict[bytes, PackContents] = {}
        for entry in self._entries(parts) if wanted else ():
            if entry.pack_id in wanted and entry.pack_id not in found:
                try:
                    pack = open_pack_parts(
                        PackId(entry.pack_id),
                        entry.length,
                        entry.head,
                        entry.sealed_tail,
                        self._state.vault_id,
                        self._index_keys,
                    )
                except PackRefused:
                    continue
                found[entry.pack_id] = PackContents(pack.head_bytes, pack.tail.blocks)
        return found

    def _entries(self, parts: Parts) -> Iterable[MergedEntry]:
        yield from parts.merged.waiting()
        for _, entries in parts.merged.objects():
            yield from entries or ()

    def _survey(self, parts: Parts) -> tuple[list[str], list[PackInfo]]:
        """Damaged index objects, and usable packs that no other one covers. In this order a pack that is merged
        meanwhile is seen once at least."""
        packs = {info.pack_id: info for info in parts.index.packs() if info.state is PackState.USABLE}
        for pack_id in parts.merged.waiting_ids():
            packs.pop(pack_id, None)
        damaged: list[str] = []
        for name, entries, is_right in parts.merged.looked_at():
            if not is_right:
                damaged.append(name)
            for entry in entries or ():
                packs.pop(entry.pack_id, None)
        return damaged, list(packs.values())

    def _note(self, parts: Parts, info: PackInfo) -> None:
        kind = PackKind(info.kind)
        pack = read_stored(self._state.store, PackId(info.pack_id), kind, self._state.vault_id, self._index_keys)
        if pack is None:
            return  # its own head or tail is damaged; a verify at depth packs says so
        entry = MergedEntry(kind, info.pack_id, pack.length, pack.head_bytes, pack.sealed_tail)
        parts.environment.write(lambda txn: parts.merged.note(txn, entry))

    def _descriptor(self) -> bytes:
        try:
            return self._state.store.get(DESCRIPTOR)
        except ObjectMissing:
            return b""


def _note_all(parts: Parts, entries: Iterable[MergedEntry], txn: Txn) -> None:
    for entry in entries:
        if parts.index.pack_in(txn, entry.pack_id) is not None:
            parts.merged.note(txn, entry)
