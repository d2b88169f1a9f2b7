"""What a lost vault.json said, from the vault's key and the objects beside it; the wrapped key is made anew.

All that it held is known but for the time of the vault's making: the first record's stands for it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.engine.vault_errors import NoVault
from phoenix_core.engine.vaults import check_never_made, holds_objects
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.keyholder import read_record
from phoenix_core.storage.local import LocalStore
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.errors import NotThisVaultsKey
from phoenix_core.vault.layout import PACKS, RECORDS
from phoenix_core.vault.packhead import HEAD_SIZE, parse_head
from phoenix_core.vault.record import verify
from phoenix_core.vault.unseal import unseal_pack_key
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.wrap import describe_vault

TRIES = 100
"""So many records, and packs, are tried with the key before it is taken for another vault's."""


def describe_anew(data: DataDirectory, folder: Path, key: VaultKey, clock: Clock | None = None) -> VaultDescriptor:
    """The vault in a folder without vault.json, still without wrapped keys. Blocks.

    Raises NotThisVaultsKey unless something there proves that the key is this vault's; where nothing is there, NoVault
    or as `check_never_made`."""
    record = read_record(data)
    if record is None or not holds_objects(folder):
        check_never_made(data, folder)
        raise NoVault(path=folder)
    store = LocalStore(folder)
    try:
        first_ns = next(islice(_signed(store, key), 1), None)
        if first_ns is None and not any(_opened(store, key, record.vault_id)):
            raise NotThisVaultsKey(vault=record.vault_id)
    finally:
        store.close()
    made = (clock or SystemClock()).now() if first_ns is None else datetime.fromtimestamp(first_ns / 1e9, UTC)
    return describe_vault(key, record.vault_id, made, ())


def _signed(store: LocalStore, key: VaultKey) -> Iterator[int]:
    """Times of the records that the key signed, in nanoseconds."""
    public_key = key.record_public_key()
    for info in islice(store.list(RECORDS), TRIES):
        try:
            yield verify(store.get(info.name), public_key).time_ns
        except PhoenixError:
            continue


def _opened(store: LocalStore, key: VaultKey, vault_id: str) -> Iterator[bool]:
    """True for each pack of this vault that the key opens."""
    private_key = key.private_key()
    for info in islice(store.list(PACKS), TRIES):
        try:
            head = parse_head(store.get(info.name, 0, HEAD_SIZE))
            unseal_pack_key(private_key, head)
        except PhoenixError:
            continue
        if head.vault_id == vault_id:
            yield True
