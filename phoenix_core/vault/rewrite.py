"""Moves the needed chunks of mostly unused packs into new packs, so that the old ones can go. Core only."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.chunkid import keyed_id
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.errors import BlockDamaged, ChunkDamaged, PackDamaged
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.maintenance_node import IsCancelled, MaintenanceNode, OpenTarget, PackTarget
from phoenix_core.vault.mark import MaintenanceCancelled
from phoenix_core.vault.packhead import PackIdentity, parse_head
from phoenix_core.vault.packinfo import PackInfo
from phoenix_core.vault.packkeys import PackKeys
from phoenix_core.vault.packreader import parse_tail, read_blocks, read_head_bytes, read_sealed_tail
from phoenix_core.vault.packwriter import FinishedPack
from phoenix_core.vault.vaultkey import VaultKey


def rewrite_packs(
    node: MaintenanceNode,
    key: VaultKey,
    packs: Sequence[PackInfo],
    needed: AbstractSet[ChunkId],
    open_target: OpenTarget,
    *,
    progress: Callable[[int, int], None],
    cancelled: IsCancelled,
) -> list[PackId]:
    """Store the needed chunks of these packs anew, per writing server, domain and kind. Returns the packs whose needed
    chunks all have such a new, proved copy; a damaged pack is passed over. `progress` gets packs done and in all."""
    groups: dict[tuple[str, str, int, str], list[PackInfo]] = defaultdict(list)
    for info in packs:
        groups[info.server_id, info.domain, info.epoch, info.kind].append(info)
    pack_keys = PackKeys(node.open_pack, key)
    moved: list[PackId] = []
    for (server_id, domain, epoch, kind), members in groups.items():
        keys = key.domain_keys(domain, epoch)
        with open_target(server_id) as target:
            group = _Group(node, pack_keys, keys, PackKind(kind), needed)
            written = group.move(members, server_id, key.public_key(), target, lambda: _check(cancelled))
        for pack in written:
            node.mark_proved(pack)
        moved += group.moved
        progress(len(moved), len(packs))
    return moved


def _check(cancelled: IsCancelled) -> None:
    if cancelled():
        raise MaintenanceCancelled(what="The prune")


class _Group:
    """Packs of one server, domain and kind."""

    def __init__(
        self,
        node: MaintenanceNode,
        pack_keys: PackKeys,
        keys: DomainKeys,
        kind: PackKind,
        needed: AbstractSet[ChunkId],
    ) -> None:
        self._node = node
        self._pack_keys = pack_keys
        self._keys = keys
        self._kind = kind
        self._needed = needed
        self.moved: list[PackId] = []

    def move(
        self,
        members: Sequence[PackInfo],
        server_id: str,
        public_key: bytes,
        target: PackTarget,
        check: Callable[[], None],
    ) -> list[PackId]:
        """Returns the packs written."""
        written: list[PackId] = []

        def store(pack: FinishedPack) -> None:
            target.put_pack(pack.pack_id, pack.fd, pack.length)
            written.append(pack.pack_id)

        identity = PackIdentity(self._vault_of(members[0]), server_id)
        with ChunkWriter(self._kind, identity, self._keys, public_key, _none_present, store) as writer:
            for info in members:
                check()
                try:
                    self._copy(info, writer)
                except (PackDamaged, BlockDamaged, ChunkDamaged):
                    continue  # verify reports it; the pack stays as it is
                self.moved.append(PackId(info.pack_id))
        return written

    def _vault_of(self, info: PackInfo) -> str:
        with self._node.open_pack(PackId(info.pack_id)) as pack:
            return parse_head(read_head_bytes(pack)).vault_id

    def _copy(self, info: PackInfo, writer: ChunkWriter) -> None:
        pack_id = PackId(info.pack_id)
        id_key = self._keys.id_key(self._kind)
        pack_key = self._pack_keys.pack_key(pack_id)
        with self._node.open_pack(pack_id) as pack:
            head = read_head_bytes(pack)
            tail = parse_tail(head, read_sealed_tail(pack, info.bytes), self._keys.index_key, info.bytes)
            for block, raw in read_blocks(pack, head, tail, pack_key):
                for chunk, offset, length in block.chunks():
                    if chunk not in self._needed:
                        continue
                    data = raw[offset : offset + length]
                    if keyed_id(id_key, data) != chunk:
                        raise ChunkDamaged(
                            chunk=chunk.hex(), pack=pack_id.hex(), detail="its bytes do not hash to its id"
                        )
                    writer.add(data)


def _none_present(ids: Sequence[ChunkId]) -> list[bool]:
    return [False] * len(ids)
