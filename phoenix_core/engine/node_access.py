"""The storage node that keeps the vault, as the core uses it: in its own process, or elsewhere over HTTPS."""

from pathlib import Path
from typing import Protocol

from phoenix_core.agentlink.tlsfiles import TlsFiles
from phoenix_core.domain.clock import Clock
from phoenix_core.engine.assignment import StoragePlace
from phoenix_core.storage.client import RemoteCoreNode, RemoteJobNode
from phoenix_core.storage.connection import NodeConnection
from phoenix_core.storage.handover import HandoverServer
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.node import StorageNode
from phoenix_core.storage.node_api import CoreNode, JobNode
from phoenix_core.storage.tokens import StorageToken, expires_in, mint
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.vaultkey import VaultKey

CORE_JOB = "core"
CORE_TOKEN_S = 600
FRESH_S = 60
"""A token that ends sooner than this is replaced."""


class NodeAccess(Protocol):
    """All of it blocks."""

    @property
    def core_node(self) -> CoreNode: ...

    @property
    def embedded(self) -> StorageNode | None:
        """The node itself, where it is in this process."""

    @property
    def place(self) -> StoragePlace | None:
        """Where agents reach the node; None: where they reach the core, and by its hand-over socket."""

    def job_node(self, token: str) -> JobNode:
        """The node for a job of the core's own."""

    def serve(self) -> None:
        """Let jobs in."""

    def close(self) -> None: ...


class EmbeddedNode:
    """The storage node in the core's own process, with its hand-over socket for agents on this host."""

    def __init__(
        self,
        folder: Path,
        index: Path,
        socket_path: Path,
        descriptor: VaultDescriptor,
        key: VaultKey,
        clock: Clock,
        *,
        take_over: bool = False,
    ) -> None:
        """Take the vault in charge. Raises what `StorageNode` does."""
        keys = {each: key.domain_keys(*each).index_key for each in domains_of(descriptor)}
        self._node = StorageNode(LocalStore(folder, clock=clock), index, descriptor, keys, clock, take_over=take_over)
        self._handover = HandoverServer(self._node.desk, socket_path)
        self._serving = False

    @property
    def core_node(self) -> CoreNode:
        return self._node

    @property
    def embedded(self) -> StorageNode | None:
        return self._node

    @property
    def place(self) -> StoragePlace | None:
        return None

    def job_node(self, token: str) -> JobNode:
        return self._node.job_node(token)

    def serve(self) -> None:
        self._handover.start()
        self._serving = True

    def close(self) -> None:
        if self._serving:
            self._serving = False
            self._handover.stop()
        self._node.close()


class RemoteNode:
    """A storage node elsewhere; the core shows its own certificate and a token that it signs itself."""

    def __init__(self, url: str, tls: TlsFiles, descriptor: VaultDescriptor, key: VaultKey, clock: Clock) -> None:
        """Does not connect yet."""
        self._url = url
        self._tls = tls
        self._descriptor = descriptor
        self._key = key
        self._clock = clock
        self._token = ""
        self._token_ends_s = 0.0
        self._node = RemoteCoreNode(self._connection(), self._core_token)

    @property
    def core_node(self) -> CoreNode:
        return self._node

    @property
    def embedded(self) -> StorageNode | None:
        return None

    @property
    def place(self) -> StoragePlace | None:
        return StoragePlace(url=self._url)

    def job_node(self, token: str) -> JobNode:
        return RemoteJobNode(self._connection(), token)

    def serve(self) -> None:
        """The node serves by itself. Tells it of keys that are new since it was enrolled. Raises StorageUnreachable."""
        for domain, epoch in domains_of(self._descriptor):
            self._node.add_index_key(domain, epoch, self._key.domain_keys(domain, epoch).index_key)

    def close(self) -> None:
        self._node.close()

    def _connection(self) -> NodeConnection:
        return NodeConnection(self._url, self._tls.client_context)

    def _core_token(self) -> str:
        if self._clock.monotonic_s() > self._token_ends_s - FRESH_S:
            self._token_ends_s = self._clock.monotonic_s() + CORE_TOKEN_S
            self._token = mint(
                self._key.token_signing_key(),
                self._descriptor.vault_id,
                StorageToken(
                    job=CORE_JOB,
                    server_id=CORE_JOB,
                    lease="",
                    rights="core",
                    domain=self._descriptor.default_domain,
                    expires=expires_in(self._clock.now(), CORE_TOKEN_S),
                ),
            )
        return self._token


def domains_of(descriptor: VaultDescriptor) -> list[tuple[str, int]]:
    """Every domain and epoch whose packs the vault may hold."""
    return [(descriptor.default_domain, epoch) for epoch in range(1, descriptor.epoch + 1)]
