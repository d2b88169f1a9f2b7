"""Whether a store holds the vault that a node was told to serve."""

import msgspec

from phoenix_core.storage.errors import VaultMismatch
from phoenix_core.storage.objectstore import ObjectStore
from phoenix_core.vault.layout import DESCRIPTOR


class _Named(msgspec.Struct):
    vault_id: str


def check_vault(store: ObjectStore, vault_id: str) -> None:
    """A store without a descriptor passes. Raises VaultMismatch."""
    if store.head(DESCRIPTOR) is None:
        return
    try:
        found = msgspec.json.decode(store.get(DESCRIPTOR), type=_Named).vault_id
    except msgspec.DecodeError:
        found = "that can't be read"
    if found != vault_id:
        raise VaultMismatch(place=store.place, found=found, expected=vault_id)
