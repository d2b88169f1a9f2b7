"""The snapshot's trees as a restore reads them: from the storage node, with keys of the agent's cache or the core."""

from collections.abc import Sequence

from phoenix_core.agent.backup.parenttree import LocateAhead
from phoenix_core.agent.domainaccess import domain_keys
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agentlink.messages import DomainAccess
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef

CACHE_BYTES = 64 * 2**20


class SnapshotTrees:
    """Not thread-safe."""

    def __init__(self, node: JobNode, ports: JobPorts, domain: DomainAccess) -> None:
        self._ports = ports
        self._pack_keys: dict[bytes, bytes] = {}
        locate = LocateAhead(node.locate)
        self.hint = locate.hint
        """Is told which trees will be wanted, so that one call locates many."""
        self.source = ChunkReader(
            locate, node.open_pack, self._keys, domain_keys(domain), PackKind.META, cache_bytes=CACHE_BYTES
        )

    def _keys(self, refs: Sequence[BlockRef]) -> list[bytes]:
        """From the agent's own cache, where it wrote the trees; what isn't there the core is asked for."""
        unknown = list({ref.pack_id for ref in refs if ref.pack_id not in self._pack_keys})
        if unknown:
            self._pack_keys.update(self._ports.recall_pack_keys(unknown))
        asked = [ref for ref in refs if ref.pack_id not in self._pack_keys]
        answered = dict(zip(asked, self._ports.block_keys(asked), strict=True)) if asked else {}
        return [
            answered[ref] if ref in answered else block_key(self._pack_keys[ref.pack_id], ref.ordinal) for ref in refs
        ]
