"""The vault as the engine sees it: perhaps not there yet, perhaps locked, else open."""

from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.engine.record_chain import RecordChain
from phoenix_core.engine.vault_errors import NoVault, RecordsBroken, VaultRolledBack
from phoenix_core.storage.node_api import CoreNode
from phoenix_core.vault.chunkreader import ChunkReader
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import Locate
from phoenix_core.vault.packkeys import PackKeys
from phoenix_core.vault.vaultkey import VaultKey


class OpenVault:
    """A vault with its key and its storage node. Its node's methods block: an event loop uses threads."""

    def __init__(self, descriptor: VaultDescriptor, key: VaultKey, node: CoreNode, clock: Clock) -> None:
        self.descriptor = descriptor
        self.key = key
        self.node = node
        self.chain = RecordChain(node, key, clock)

    @property
    def vault_id(self) -> str:
        return self.descriptor.vault_id

    def current_domain(self) -> DomainKeys:
        """The keys that new backups use."""
        return self.key.domain_keys(self.descriptor.default_domain, self.descriptor.epoch)

    def pack_keys(self) -> PackKeys:
        """A new opener of pack heads; not thread-safe."""
        return PackKeys(self.node.open_pack, self.key, self.node.pack_heads)

    def reader(
        self, domain: str, epoch: int, kind: PackKind = PackKind.META, locate: Locate | None = None
    ) -> ChunkReader:
        """A new reader with the core's own keys; not thread-safe."""
        keys = self.key.domain_keys(domain, epoch)
        return ChunkReader(locate or self.node.locate, self.node.open_pack, self.pack_keys().block_keys, keys, kind)


class VaultSeat:
    """Where the open vault sits; says why there is none."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.descriptor: VaultDescriptor | None = None
        self.locked_by: PhoenixError | None = None
        """Why the vault can't be opened, though one was made."""
        self.records_problem: RecordsBroken | VaultRolledBack | None = None
        """Why the records can't be believed to the end; None while they are what this core has seen."""
        self.key_holder = ""
        self._open: OpenVault | None = None
        self._key: VaultKey | None = None

    def unlock(self, key: VaultKey) -> None:
        """The vault's key is at hand, and is the right one."""
        self._key = key

    @property
    def unlocked(self) -> bool:
        """The key is at hand, whether or not the storage node answers."""
        return self._key is not None

    def put(self, vault: OpenVault) -> None:
        self.locked_by = None
        self._open = vault

    def empty(self) -> None:
        self._open = None

    @property
    def opened(self) -> OpenVault | None:
        return self._open

    def get(self) -> OpenVault:
        """The open vault. Raises NoVault, or what keeps it from being opened."""
        if self._open is None:
            raise self._why()
        return self._open

    def described(self) -> VaultDescriptor:
        """Raises as `get`."""
        if self.descriptor is None:
            raise self._why()
        return self.descriptor

    def key(self) -> VaultKey:
        """Also where the storage node is away. Raises as `get`."""
        if self._key is None:
            raise self._why()
        return self._key

    def _why(self) -> PhoenixError:
        return self.locked_by or NoVault(path=self.location)
