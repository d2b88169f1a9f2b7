"""The core's readers: any chunk of any domain, with the vault key. Core only."""

from phoenix_core.domain.ids import SnapshotId
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.errors import SnapshotDamaged
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.locateahead import AheadSource, LocateAhead
from phoenix_core.vault.maintenance_node import ReadableNode
from phoenix_core.vault.packkeys import PackKeys
from phoenix_core.vault.snapshot import SnapshotBody, open_snapshot, snapshot_id
from phoenix_core.vault.vaultkey import VaultKey


class CoreReader:
    """Opens snapshots and gives chunk readers per domain, epoch and kind. Not thread-safe."""

    def __init__(self, node: ReadableNode, key: VaultKey) -> None:
        self._node = node
        self._key = key
        self.pack_keys = PackKeys(node.open_pack, key)
        self._readers: dict[tuple[str, int, PackKind], ChunkReader] = {}
        self._trees: dict[tuple[str, int], AheadSource] = {}

    def reader(self, domain: str, epoch: int, kind: PackKind) -> ChunkReader:
        known = self._readers.get((domain, epoch, kind))
        if known is None:
            known = ChunkReader(
                self._node.locate,
                self._node.open_pack,
                self.pack_keys.block_keys,
                self._key.domain_keys(domain, epoch),
                kind,
            )
            self._readers[domain, epoch, kind] = known
        return known

    def trees_of(self, body: SnapshotBody) -> AheadSource:
        """What the snapshot's trees and lists are read from."""
        source = self._trees.get((body.domain, body.epoch))
        if source is None:
            ahead = LocateAhead(self._node.locate)
            reader = ChunkReader(
                ahead,
                self._node.open_pack,
                self.pack_keys.block_keys,
                self._key.domain_keys(body.domain, body.epoch),
                PackKind.META,
            )
            source = self._trees[body.domain, body.epoch] = AheadSource(reader, ahead)
        return source

    def snapshot(self, name: SnapshotId) -> SnapshotBody:
        """The opened snapshot. Raises `SnapshotDamaged` where its bytes aren't its name's, else as `open_snapshot`."""
        sealed = self._node.read_snapshot(name)
        if snapshot_id(sealed) != name:
            raise SnapshotDamaged(detail=f"the bytes of {name[:12]} do not hash to its name")
        return open_snapshot(self._key.private_key(), sealed)[0]
