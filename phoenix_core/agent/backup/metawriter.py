"""A backup's metadata in the vault: the writer of its trees, and the reader of its parent's."""

from collections.abc import Callable

from phoenix_core.agent.backup.packcache import CachedTrees, PackCache
from phoenix_core.agent.backup.parenttree import ParentTrees
from phoenix_core.agent.domainaccess import domain_keys
from phoenix_core.agent.errors import StateUnusable
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.steps import Steps
from phoenix_core.agent.treekeys import TreeKeys
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.locateahead import LocateAhead
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.packwriter import FinishedPack


class MetaVault:
    def __init__(self, order: BackupOrder, node: JobNode, ports: JobPorts) -> None:
        self._order = order
        self._node = node
        self._ports = ports
        self._keys = domain_keys(order.domain)
        self._tree_keys = TreeKeys(ports)
        self._cache = PackCache(ports.state_dir, self._keys, self._tree_keys.of)
        self._warned = False
        self.packs: list[bytes] = []
        """Ids of the packs written."""
        self.writer = ChunkWriter(
            PackKind.META,
            PackIdentity(order.vault_id, order.server_id),
            self._keys,
            order.vault_public_key,
            node.present,
            self._store,
            order.compression_level,
        )

    def parent_trees(self, warn: Callable[[str], None]) -> ParentTrees | None:
        """The parent snapshot's trees; None for a full backup."""
        parent = self._order.parent
        if parent is None:
            return None
        self._cache.load()
        locate = LocateAhead(self._node.locate)
        reader = ChunkReader(locate, self._node.open_pack, self._tree_keys.of, self._keys, PackKind.META)
        unusable = frozenset(parent.unusable_chunks)
        source = CachedTrees(self._cache, reader)
        return ParentTrees(source, parent.root, unusable=unusable, hint=locate.hint, warn=warn)

    def copies_keys(self) -> dict[bytes, bytes]:
        """The keys of the agent's own copies of metadata packs, once `parent_trees` was called; by pack."""
        return self._ports.recall_pack_keys(self._cache.pack_ids)

    def close(self) -> None:
        """Store what is left. Raises what the node raises."""
        self.writer.close()
        self._cache.tidy()

    def _store(self, pack: FinishedPack) -> None:
        self._node.put_pack(pack.pack_id, pack.fd, pack.length)
        self.packs.append(pack.pack_id)
        self._cache.keep(pack.pack_id, pack.fd, pack.length)
        try:
            self._ports.remember_pack_keys({pack.pack_id: pack.pack_key})
        except StateUnusable as error:
            self._warn(f"The next backup asks the core for keys that could not be kept here: {error.message}")

    def _warn(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            Steps(self._ports).log("warning", text)
