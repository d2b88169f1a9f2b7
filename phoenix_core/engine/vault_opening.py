"""Opens the vault at the core's start; one whose storage node is away is tried again until it answers."""

import asyncio
from pathlib import Path

import structlog

from phoenix_core.agentlink.tlsfiles import TlsFiles
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.engine.descriptor_copy import remember_first
from phoenix_core.engine.node_access import EmbeddedNode, NodeAccess, RemoteNode
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.record_watch import RecordWatch
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.storage_nodes import node_url
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.engine.vault_errors import NoVault, VaultLocked
from phoenix_core.engine.vaults import find_vault
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.wrap import check_descriptor

RETRY_S = 10.0

log = structlog.get_logger(__name__)


class VaultOpening:
    """`prepare` takes the vault in charge, `finish` reads its records; both leave why not in the seat."""

    def __init__(
        self,
        seat: VaultSeat,
        data: DataDirectory,
        folder: Path,
        locked_by: PhoenixError | None,
        settings: Settings,
        directory: PeerDirectory,
        records: RecordWatch,
        tls: TlsFiles,
        clock: Clock,
        *,
        take_over: bool = False,
    ) -> None:
        """`folder`: where the vault lies, or for one that a node elsewhere keeps its descriptor. `tls`: the core's
        identity. `locked_by`: why there is no key."""
        self._seat = seat
        self._data = data
        self._folder = folder
        self._locked_by = locked_by
        self._settings = settings
        self._directory = directory
        self._records = records
        self._tls = tls
        self._clock = clock
        self._take_over = take_over
        self.access: NodeAccess | None = None

    async def prepare(self, key: VaultKey | None) -> None:
        """Find the vault and its storage node; an embedded one is opened here."""
        try:
            descriptor = await asyncio.to_thread(find_vault, self._data, self._folder)
            self._seat.descriptor = descriptor
            if key is None:
                raise self._locked_by or VaultLocked(detail="this data directory never held it")
            await asyncio.to_thread(check_descriptor, descriptor, key)
            await asyncio.to_thread(remember_first, self._data, descriptor)
            self._seat.unlock(key)
            self.access = await asyncio.to_thread(self._node, descriptor, key)
        except NoVault:
            return
        except PhoenixError as error:
            self._refuse(error)

    async def finish(self) -> bool:
        """Read the records and seat the vault. False: its node is away, and another try may help."""
        if self.access is None or self._seat.descriptor is None:
            return True
        try:
            vault = OpenVault(self._seat.descriptor, self._seat.key(), self.access.core_node, self._clock)
            await asyncio.to_thread(self.access.serve)
            await self._records.open(vault)
            self._seat.put(vault)
        except PhoenixError as error:
            self._refuse(error)
            return self.access.embedded is not None or not error.retryable
        return True

    async def keep_trying(self) -> None:
        """`finish` again until the storage node answers."""
        while True:
            await asyncio.sleep(RETRY_S)
            if await self.finish():
                return

    async def close(self) -> None:
        self._seat.empty()
        if self.access is not None:
            await asyncio.to_thread(self.access.close)

    def _node(self, descriptor: VaultDescriptor, key: VaultKey) -> NodeAccess:
        chosen = self._settings.text("storage.node")
        if chosen:
            return RemoteNode(node_url(self._directory, chosen), self._tls, descriptor, key, self._clock)
        return EmbeddedNode(
            self._folder,
            self._data.index,
            self._data.storage_socket,
            descriptor,
            key,
            self._clock,
            take_over=self._take_over,
        )

    def _refuse(self, error: PhoenixError) -> None:
        if self._seat.locked_by is None or self._seat.locked_by.code != error.code:
            log.error("the vault can't be opened", error=error.message, code=error.code)
        self._seat.locked_by = error
