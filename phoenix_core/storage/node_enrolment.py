"""What a core gives a storage node when it enrols, and how the node makes its configuration of it."""

from pathlib import Path

import msgspec

from phoenix_core.host.datadir import DataDirectory
from phoenix_core.storage.errors import NodeNotConfigured, VaultMismatch
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.nodeconfig import IndexKey, NodeConfig
from phoenix_core.vault import descriptor as descriptors
from phoenix_core.vault.layout import DESCRIPTOR
from phoenix_core.vault.malformed import MALFORMED


class VaultForNode(msgspec.Struct, frozen=True):
    """Travels in `EnrolAnswer.role_config`, as JSON."""

    vault_id: str
    token_public_key: bytes
    index_keys: tuple[IndexKey, ...]
    descriptor: bytes
    """vault.json, so that the node's folder alone plus the recovery passphrase is restorable."""

    def encode(self) -> bytes:
        return msgspec.json.encode(self)


def configure_node(
    data: DataDirectory, given: bytes, *, vault_path: Path | None, listen_host: str, listen_port: int
) -> NodeConfig:
    """Keep what the core gave as the node's configuration, and put vault.json into the vault's folder. Blocks.

    Raises NodeNotConfigured where nothing usable was given, VaultMismatch where the folder holds another vault."""
    try:
        vault = msgspec.json.decode(given, type=VaultForNode)
    except MALFORMED as error:
        raise NodeNotConfigured(
            path=data.node, detail=f"the core told nothing usable of its vault ({error})"
        ) from error
    folder = vault_path or data.vault
    config = NodeConfig(
        vault_id=vault.vault_id,
        token_public_key=vault.token_public_key,
        index_keys=vault.index_keys,
        vault_path=str(folder),
        listen_host=listen_host,
        listen_port=listen_port,
    )
    store = LocalStore(folder)
    try:
        if not store.put(DESCRIPTOR, vault.descriptor, if_absent=True):
            found = descriptors.decode(store.get(DESCRIPTOR))
            if found.vault_id != vault.vault_id:
                raise VaultMismatch(place=store.place, found=found.vault_id, expected=vault.vault_id)
    finally:
        store.close()
    config.save(data.node)
    return config
