"""Makes a new vault."""

from collections.abc import Callable
from pathlib import Path

from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.engine.errors import VaultExists
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.storage.local import LocalStore
from phoenix_core.vault import descriptor as descriptors
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.layout import DESCRIPTOR
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.wrap import Argon2Parameters, describe_vault, new_vault_id, wrap


def create_vault(
    data: DataDirectory,
    passphrase: str,
    keep_key: Callable[[VaultKey, VaultDescriptor], None],
    *,
    folder: Path | None = None,
    clock: Clock | None = None,
    cost: Argon2Parameters | None = None,
) -> tuple[VaultDescriptor, VaultKey]:
    """Make a vault in `folder` (default: the data directory's): new key, wrapped under the passphrase in vault.json.

    `keep_key` gives the key to its holder, before vault.json is written: a vault whose key nobody holds never comes to
    be. Blocks. Raises VaultExists, what the holder raises, and StorageError."""
    data.create()
    where = folder or data.vault
    store = LocalStore(where)
    try:
        if store.head(DESCRIPTOR) is not None:
            raise VaultExists(path=where)
        key = VaultKey.generate()
        described = describe_vault(key, new_vault_id(), (clock or SystemClock()).now(), (wrap(key, passphrase, cost),))
        keep_key(key, described)
        if not store.put(DESCRIPTOR, described.encode(), if_absent=True):
            raise VaultExists(path=where)
        return described, key
    finally:
        store.close()


def read_descriptor(folder: Path) -> VaultDescriptor | None:
    """The vault in a local folder; None where there is none. Blocks. Raises DescriptorDamaged, UnknownVersion."""
    if not (folder / DESCRIPTOR).exists():
        return None
    store = LocalStore(folder)
    try:
        return descriptors.decode(store.get(DESCRIPTOR))
    finally:
        store.close()


def replace_descriptor(folder: Path, described: VaultDescriptor) -> None:
    """Put a changed descriptor in place of the old one, as when a passphrase is changed. Blocks."""
    store = LocalStore(folder)
    try:
        store.put(DESCRIPTOR, described.encode())
    finally:
        store.close()
