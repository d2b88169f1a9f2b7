"""The snapshot's trees as a restore reads them: from the storage node, with keys of the agent's cache or the core."""

from collections.abc import Callable

from phoenix_core.agent.domainaccess import domain_keys
from phoenix_core.agent.ports import JobPorts
from phoenix_core.agent.restore.growinggrant import GrantedChunks, GrowingGrant
from phoenix_core.agent.treekeys import TreeKeys
from phoenix_core.agentlink.messages import DomainAccess
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.chunkreader import ChunkReader, ChunkSource
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.locateahead import LocateAhead

CACHE_BYTES = 16 * 2**20
"""Of opened blocks; more is no faster: the plan comes to trees in the order in which they lie in packs."""


class SnapshotTrees:
    """Not thread-safe."""

    def __init__(
        self, node: JobNode, ports: JobPorts, domain: DomainAccess, tick: Callable[[], None], *, grant_grows: bool
    ) -> None:
        """`tick` is called while the grant is waited for, which `grant_grows`; what it raises ends that."""
        self.grant = GrowingGrant(ports, tick, grows=grant_grows)
        locate = LocateAhead(self.grant.locating(node.locate))
        self.hint = locate.hint
        """Is told which trees will be wanted, so that one call locates many."""
        reader = ChunkReader(
            locate, node.open_pack, TreeKeys(ports).of, domain_keys(domain), PackKind.META, cache_bytes=CACHE_BYTES
        )
        self.source: ChunkSource = GrantedChunks(reader, locate, self.grant) if grant_grows else reader
