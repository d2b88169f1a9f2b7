"""Makes a new vault, where there is none and never was one, and finds the one that there is."""

import os
from collections.abc import Callable
from pathlib import Path

from phoenix_core.domain.clock import Clock, SystemClock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.names import shown
from phoenix_core.engine.descriptor_copy import remember
from phoenix_core.engine.vault_errors import DescriptorMissing, NoVault, VaultExists, VaultMissing
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.keyholder import read_record
from phoenix_core.storage.errors import StorageFailed
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.parts import indexed_vault
from phoenix_core.vault import descriptor as descriptors
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.index_errors import IndexDamaged
from phoenix_core.vault.layout import DESCRIPTOR, PACKS, RECORDS, SNAPSHOTS
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
    be. Blocks. Raises VaultExists, as `check_never_made`, what the holder raises, and StorageError."""
    data.create()
    where = folder or data.vault
    if _is_described(where):
        raise VaultExists(path=where)
    check_never_made(data, where)
    store = LocalStore(where)
    try:
        if store.head(DESCRIPTOR) is not None:
            raise VaultExists(path=where)
        key = VaultKey.generate()
        described = describe_vault(key, new_vault_id(), (clock or SystemClock()).now(), (wrap(key, passphrase, cost),))
        keep_key(key, described)
        if not store.put(DESCRIPTOR, described.encode(), if_absent=True):
            raise VaultExists(path=where)
        remember(data, described)
        return described, key
    finally:
        store.close()


def check_never_made(data: DataDirectory, folder: Path) -> None:
    """For a folder without a vault.json: nothing tells of a vault that was there, so that one may be made. Blocks.

    Raises VaultMissing, DescriptorMissing, KeyMissing where the key holder's record is unreadable, and StorageError."""
    trace = _trace(data, folder)
    if holds_objects(folder):
        raise DescriptorMissing(path=folder, trace=f"; {trace}" if trace else "")
    if trace:
        raise VaultMissing(path=folder, trace=trace)


def _trace(data: DataDirectory, folder: Path) -> str:
    """What the data directory knows of a vault, as a part of a sentence; empty for nothing."""
    record = read_record(data)
    if record is not None and not record.provisional:
        if record.place == shown(os.fsencode(folder)):
            return f"vault {record.vault_id} was made there"
        return f"vault {record.vault_id} was made {f'in {record.place}' if record.place else 'here'}"
    try:
        indexed = indexed_vault(data.index)
    except IndexDamaged:
        indexed = "that can't be told"
    return f"the index in {data.index} is of vault {indexed}" if indexed else ""


def holds_objects(folder: Path) -> bool:
    """Whether packs, records or snapshots lie there. Only looks. Blocks. Raises StorageError."""

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error

    try:
        return any(
            not name.startswith(".")
            for prefix in (RECORDS, SNAPSHOTS, PACKS)
            for _, _, names in os.walk(folder / prefix, onerror=fail)
            for name in names
        )
    except OSError as error:
        raise StorageFailed(action="Listing", name=error.filename, place=folder, detail=error.strerror) from error


def _is_described(folder: Path) -> bool:
    try:
        return (folder / DESCRIPTOR).exists()
    except OSError as error:
        raise StorageFailed(action="Opening", name=DESCRIPTOR, place=folder, detail=error.strerror) from error


def find_vault(data: DataDirectory, folder: Path) -> VaultDescriptor:
    """The vault of a data directory. Blocks. Raises NoVault where none was made, else as `check_never_made` and
    `read_descriptor`."""
    found = read_descriptor(folder)
    if found is None:
        check_never_made(data, folder)
        raise NoVault(path=folder)
    return found


def read_descriptor(folder: Path) -> VaultDescriptor | None:
    """The vault in a local folder; None where there is none. Blocks. Raises DescriptorDamaged, UnknownVersion,
    StorageError."""
    if not _is_described(folder):
        return None
    store = LocalStore(folder)
    try:
        return descriptors.decode(store.get(DESCRIPTOR))
    finally:
        store.close()


def is_of(folder: Path, vault_id: str) -> bool:
    """Whether this vault lies in the folder, as far as can be told. Blocks."""
    try:
        found = read_descriptor(folder)
    except PhoenixError:
        return False
    return found is not None and found.vault_id == vault_id


def replace_descriptor(folder: Path, described: VaultDescriptor) -> None:
    """Put a changed descriptor in place of the old one, as when a passphrase is changed. Blocks."""
    store = LocalStore(folder)
    try:
        store.put(DESCRIPTOR, described.encode())
    finally:
        store.close()
